//! What notes the wanted values of an event while the scanner walks through it.
//!
//! The scanner calls it for each member and each element, for what opens and what closes. It knows the shape of the walk only.
//! [`Tracks`](super::track::Tracks) follows the two pointers of a stream, [`Roots`](super::roots::Roots) those of a route.

use super::Captured;
use super::lex::Text;

/// Notes wanted values. `'w` is for how long what is wanted lives.
pub(super) trait Follow<'w> {
    /// What is wanted.
    type Wanted;
    /// Which of the wanted values the value to come is.
    type Hits: Copy;
    /// What was found.
    type Found;

    /// It's none of them.
    const NONE: Self::Hits;

    /// Whether it's one of them.
    fn any(hits: Self::Hits) -> bool;

    /// At the beginning of an event.
    fn new(wanted: &'w Self::Wanted) -> Self;

    /// Whether elements of the array that is open at `depth` may be wanted.
    fn watching(&self, depth: u32) -> bool;

    /// A member of the container at `depth` has the key at `start..text.end`.
    fn member(&self, depth: u32, body: &[u8], start: usize, text: Text) -> Self::Hits;

    /// An element of the container at `depth` starts.
    fn element(&mut self, depth: u32) -> Self::Hits;

    /// The value that was hit is `value`, and nothing more can be inside of it.
    fn scalar(&mut self, hits: Self::Hits, value: Captured);

    /// The value that was hit is an object or an array, whose bracket is at `start`.
    fn open(&mut self, hits: Self::Hits, object: bool, start: usize);

    /// A container has been closed, and ends at `end`. The one at `depth` goes on, and is an object or not.
    fn close(&mut self, depth: u32, object: bool, end: usize);

    /// The event ends at `end`.
    fn found(self, end: usize) -> Self::Found;

    /// Where the event ends.
    fn end(found: &Self::Found) -> usize;
}
