//! Programs by chance.

use crate::{
    program::{ActorName, Ending, Mode, Op, Program},
    random::Random,
};

/// Names of numbers in every actor's state; few, so that programs meet.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Programs within programs within programs.
pub(crate) const DEPTH_MAX: u32 = 2;

/// A program of a few operations.
pub(crate) fn program(random: &mut Random, actors: &[ActorName], depth: u32) -> Program {
    let length = random.between(1, 3 + 2 * u64::from(depth) + u64::from(depth == DEPTH_MAX));
    let mut ops: Vec<_> = (0..length).map(|_| op(random, actors, depth)).collect();
    if random.per_mille(200) {
        // Long enough for somebody to send something.
        ops.push(Op::Receive { kind: kind(random), timeout_ms: Some(random.between(100, 1500)), start: false });
        ops.push(Op::Reply { back: 0 });
    }
    if random.per_mille(500) {
        ops.push(Op::Await { newest: 9, mode: Mode::All });
    }
    if random.per_mille(700) {
        ops.push(add(random));
    }
    Program { kind: kind(random), ops }
}

/// Types of messages; most have none.
fn kind(random: &mut Random) -> Option<String> {
    random.per_mille(300).then(|| (*random.pick(&["order", "note"])).to_owned())
}

fn add(random: &mut Random) -> Op {
    Op::Add { name: (*random.pick(&NAMES)).to_owned(), amount: random.between(1, 100) as i64 - 20 }
}

fn ending(random: &mut Random) -> Ending {
    *random.pick(&[Ending::Value, Ending::Value, Ending::Value, Ending::Failure, Ending::Trap])
}

/// Mostly a moment, sometimes long enough for others to age and to be dropped.
fn pause_ms(random: &mut Random) -> u64 {
    match random.below(10) {
        0 => 0,
        1..=7 => random.between(1, 200),
        _ => random.between(200, 4000),
    }
}

fn op(random: &mut Random, actors: &[ActorName], depth: u32) -> Op {
    match random.below(100) {
        0..=15 => add(random),
        16..=17 => Op::Reply { back: random.below(2) as usize },
        18..=19 => Op::Delete { name: (*random.pick(&NAMES)).to_owned() },
        20..=23 => Op::Now,
        24..=25 => Op::Random { bytes: random.between(0, 40) as u32 },
        26 => Op::Uuid,
        27..=28 => Op::Verify { genuine: random.per_mille(700) },
        29 => Op::Log,
        30..=37 => Op::Compute { value: random.below(1000), ending: ending(random), start: random.per_mille(500) },
        38..=40 => Op::Prove { input: random.below(3) as u8 },
        41..=47 => Op::Effect { busy: busy(random), ending: ending(random), start: random.per_mille(500) },
        48..=59 if depth == 0 => add(random),
        48..=55 => message(random, actors, depth),
        56..=58 => child(random, actors, depth),
        59 => Op::Restart { program: Box::new(program(random, actors, depth - 1)) },
        60..=62 => Op::Receive { kind: kind(random), timeout_ms: Some(pause_ms(random)), start: random.per_mille(500) },
        63 => Op::Reply { back: random.below(2) as usize },
        64..=67 => Op::Sleep { ms: pause_ms(random) },
        68..=72 => Op::Timer { ms: pause_ms(random) },
        73..=78 => Op::Promise,
        79..=82 => Op::AwaitPromise,
        83..=89 => {
            let mode = *random.pick(&[Mode::All, Mode::Any]);
            Op::Await { newest: random.between(1, 4) as usize, mode }
        }
        90..=92 => Op::Blob { text: format!("blob {}", random.below(5)) },
        93 => Op::MissingBlob,
        94 => Op::Nonsense,
        95..=97 => Op::Yield,
        98 => Op::Fail,
        _ => Op::Trap,
    }
}

/// Mostly none, sometimes more than the deployment tries.
fn busy(random: &mut Random) -> u32 {
    if random.per_mille(600) { 0 } else { random.between(1, 5) as u32 }
}

/// One that takes as long as it likes has a key of its own, so that children cannot wait for each other in a circle;
/// one that waits for ever is cancelled.
fn child(random: &mut Random, actors: &[ActorName], depth: u32) -> Op {
    let mut program = Box::new(program(random, actors, depth - 1));
    let (deadline_ms, detached) = (random.per_mille(700).then(|| random.between(50, 6000)), random.per_mille(300));
    if deadline_ms.is_some() && !detached && random.per_mille(300) {
        program.ops.insert(0, Op::Receive { kind: Some("nobody's".to_owned()), timeout_ms: None, start: false });
    }
    let named = random.pick(actors).clone();
    let actor_type = named.0.split('/').next().unwrap_or_default().to_owned();
    let to = if deadline_ms.is_some() && random.per_mille(600) { Ok(named) } else { Err(actor_type) };
    Op::Spawn { to, program, deadline_ms, detached }
}

fn message(random: &mut Random, actors: &[ActorName], depth: u32) -> Op {
    let to = random.pick(actors).clone();
    let program = Box::new(program(random, actors, depth - 1));
    if random.per_mille(500) {
        let delay_ms = random.per_mille(300).then(|| pause_ms(random));
        return Op::Send { to, program, delay_ms };
    }
    Op::Call { to, program, deadline_ms: random.between(50, 8000), start: random.per_mille(500) }
}
