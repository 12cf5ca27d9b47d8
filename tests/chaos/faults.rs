//! What goes wrong, and which of it can go wrong now.

use std::time::Duration;

use super::dice::Dice;
use super::world::{Broker, World};
use crate::support::tracer::{STEWARD, Tracer, WRITER};

/// One fault. Those of brokers and of a full disk last until a later step mends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 of the gateway, and its restart.
    KillGateway,
    /// SIGTERM, and its restart.
    StopGateway,
    /// kill -9 of a broker.
    KillBroker(i32),
    KillAllBrokers,
    /// SIGSTOP of a broker.
    FreezeBroker(i32),
    FreezeAllBrokers,
    /// No room on the file system.
    FillDisk,
    /// No write to the file system comes back for a while.
    FreezeDisk,
    /// One write of the log fails.
    FailWrite,
    /// All calls of the log fail for a while.
    FailAllWrites,
    /// kill -9 of the gateway at one of its next writes.
    KillAtWrite(u32),
}

use Fault::*;

impl World {
    /// Draws the next fault among those that are possible.
    pub fn next(&self, dice: &mut Dice) -> Fault {
        loop {
            let broker = 1 + i32::try_from(dice.below(3)).unwrap();
            let call = 1 + dice.below(40);
            let all_up = (1..=3).all(|id| self.broker(id) == Broker::Up);
            let fault = match dice.below(40) {
                0..=7 => KillGateway,
                8..=11 => StopGateway,
                12..=14 => KillBroker(broker),
                15 => KillAllBrokers,
                16..=19 => FreezeBroker(broker),
                20..=25 => FreezeAllBrokers,
                26..=28 => FillDisk,
                29..=30 => FreezeDisk,
                31..=33 => FailWrite,
                34..=36 => FailAllWrites,
                _ => KillAtWrite(call),
            };
            let possible = match fault {
                KillGateway | StopGateway => true,
                KillBroker(id) | FreezeBroker(id) => self.broker(id) == Broker::Up,
                KillAllBrokers | FreezeAllBrokers => all_up,
                FillDisk => self.has_volume() && !self.is_full(),
                FreezeDisk => self.has_volume(),
                FailWrite | FailAllWrites | KillAtWrite(_) => self.can_trace,
            };
            if possible {
                return fault;
            }
        }
    }

    /// Mends what has lasted long enough, and does it.
    pub fn inject(&mut self, fault: Fault, dice: &mut Dice) {
        self.mend(false);
        if matches!(
            fault,
            FillDisk | FreezeDisk | FailWrite | FailAllWrites | KillAtWrite(_)
        ) {
            self.let_it_spill(dice);
        }
        let steps = 1 + dice.below(3);
        match fault {
            KillGateway => self.kill_gateway(),
            StopGateway => self.stop_gateway(),
            KillBroker(id) => self.set_broker(id, Broker::Killed(steps)),
            FreezeBroker(id) => self.set_broker(id, Broker::Frozen(steps)),
            KillAllBrokers => (1..=3).for_each(|id| self.set_broker(id, Broker::Killed(steps))),
            FreezeAllBrokers => (1..=3).for_each(|id| self.set_broker(id, Broker::Frozen(steps))),
            FillDisk => self.fill_disk(steps),
            FreezeDisk => self.freeze_disk(dice.millis(500, 3_500)),
            FailWrite => self.fail(&["pwrite64:error=EIO:when=1"], &[WRITER], dice),
            FailAllWrites => {
                let faults = ["pwrite64:error=EIO:when=1+", "fallocate:error=EIO:when=1+"];
                self.fail(&faults, &[WRITER, STEWARD], dice);
            }
            KillAtWrite(call) => self.kill_at(&format!("pwrite64:signal=KILL:when={call}")),
        }
        std::thread::sleep(dice.millis(200, 1_500));
    }

    /// Faults of the disk matter while Kafka is away: mostly it is, then.
    fn let_it_spill(&mut self, dice: &mut Dice) {
        let all_up = (1..=3).all(|id| self.broker(id) == Broker::Up);
        if all_up && dice.below(5) > 0 {
            (1..=3).for_each(|id| self.set_broker(id, Broker::Frozen(1)));
            std::thread::sleep(dice.millis(600, 1_200));
        }
    }

    fn fail(&mut self, faults: &[&str], threads: &[&str], dice: &mut Dice) {
        let tracer = Tracer::attach(&self.gateway, threads, faults);
        std::thread::sleep(dice.millis(300, 1_500));
        drop(tracer);
    }

    fn kill_at(&mut self, fault: &str) {
        let tracer = Tracer::attach(&self.gateway, &[WRITER], &[fault]);
        for _ in 0..100 {
            if self.gateway.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(tracer);
        self.kill_gateway();
    }
}
