//! Memory for brotli's decoder: tables from the heap, the window straight from the system.
//!
//! The window has up to 16 MiB, and as much of it is used as comes out of the body. From the heap it would have to be
//! filled with zeros if the place was used before: all of it is resident then, for a body of whatever size, and stays
//! so for as long as the allocator likes. What the system maps is zero before anything touches it, takes memory only
//! where the decoder writes, and is gone with the decoder.

use brotli_decompressor::{Allocator, SliceWrapper, SliceWrapperMut};
use memmap2::MmapMut;

/// What is larger is mapped. The decoder's tables aren't, and windows up to here aren't worth it.
const LARGEST_FROM_HEAP: usize = 256 * 1024;

/// Gives the decoder its bytes.
#[derive(Debug, Default)]
pub(super) struct WindowAlloc;

/// Bytes of the decoder, zero at first.
#[derive(Debug)]
pub(super) enum Memory {
    Heap(Vec<u8>),
    Mapped(MmapMut),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl SliceWrapper<u8> for Memory {
    fn slice(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

impl SliceWrapperMut<u8> for Memory {
    fn slice_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

impl Allocator<u8> for WindowAlloc {
    type AllocatedMemory = Memory;

    fn alloc_cell(&mut self, len: usize) -> Memory {
        if len <= LARGEST_FROM_HEAP {
            return Memory::Heap(vec![0; len]);
        }
        // A process may have as many maps as the system allows, and not one more: the heap has to do then.
        MmapMut::map_anon(len).map_or_else(|_| Memory::Heap(vec![0; len]), Memory::Mapped)
    }

    fn free_cell(&mut self, _memory: Memory) {}
}
