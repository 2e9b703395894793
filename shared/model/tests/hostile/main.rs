//! Bytes from an enemy: no decoder panics, overflows its stack or allocates beyond its stated bound.
//!
//! One test, because the allocator counts for the whole process. `TIDEGATE_HOSTILE_ROUNDS` makes it longer,
//! `TIDEGATE_SEED` repeats one.

#[expect(dead_code, reason = "an attack needs a sample's bytes, not its reading back")]
#[path = "../samples/mod.rs"]
mod samples;

use std::{env, iter, thread};

use peak_alloc::PeakAlloc;
use tidegate_model::chance::Chance;
use tidegate_model::codec::{self, HEADER_BYTES, Kind};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::lane::LaneRecord;
use tidegate_model::limits::{DECODE_BYTES_BASE_MAX, DECODE_BYTES_PER_INPUT_BYTE_MAX, WIRE_BYTES_MAX};
use tidegate_model::replication::{Batch, BatchReply, Downlink, Hello, HelloReply, Refusal};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Half of what a thread of the runtime has.
const STACK_BYTES: usize = 1024 * 1024;

/// Takes a body to the decoder of something that can come from outside; whether it was understood.
type Decoder = (&'static str, fn(&[u8]) -> bool);

const DECODERS: [Decoder; 8] = [
    ("lane record", |body| codec::from_cbor::<LaneRecord>(body).is_ok()),
    ("event", |body| codec::from_cbor::<Event>(body).is_ok()),
    ("hello", |body| understood::<Hello>(Kind::Hello, body)),
    ("hello reply", |body| understood::<HelloReply>(Kind::HelloReply, body)),
    ("batch", |body| understood::<Batch>(Kind::Batch, body)),
    ("batch reply", |body| understood::<BatchReply>(Kind::BatchReply, body)),
    ("downlink", |body| understood::<Downlink>(Kind::Downlink, body)),
    ("refusal", |body| understood::<Refusal>(Kind::Refusal, body)),
];

#[test]
fn no_decoder_panics_overflows_or_takes_more_than_it_may() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds = number("TIDEGATE_HOSTILE_ROUNDS").unwrap_or(20_000);
    let seed = number("TIDEGATE_SEED").unwrap_or(1);
    let attack = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || attack(rounds, seed));
    attack.expect("a thread").join().expect("no decoder panics");
}

fn attack(rounds: u64, seed: u64) {
    let bodies: Vec<Vec<u8>> = samples::all()
        .into_iter()
        .map(
            |sample| {
                if sample.kind.is_some() { sample.bytes[HEADER_BYTES..].to_vec() } else { sample.bytes }
            },
        )
        .collect();
    for body in crafted(&bodies) {
        feed(&body);
    }
    let mut chance = Chance::new(seed);
    let mut understood = 0;
    for _ in 0..rounds {
        let body = match chance.below(4) {
            0 => random(&mut chance),
            1..=3 => mutated(&mut chance, &bodies),
            4.. => unreachable!("below four"),
        };
        understood += feed(&body);
        envelopes(&body);
    }
    // Mutations that nobody understands would test the first byte of each decoder and nothing behind it.
    assert!(understood * 50 > rounds, "only {understood} of {rounds} attacks got through, seed {seed}");
}

/// Gives a body to each decoder and asks what it cost. How many understood it.
fn feed(body: &[u8]) -> u64 {
    let allowed = DECODE_BYTES_BASE_MAX + DECODE_BYTES_PER_INPUT_BYTE_MAX * body.len();
    let mut understood = 0;
    for (name, decode) in DECODERS {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        understood += u64::from(decode(body));
        let taken = MEMORY.peak_usage().saturating_sub(before);
        let begin = &body[..body.len().min(64)];
        assert!(taken <= allowed, "{name} took {taken} bytes for {} bytes {begin:02x?}", body.len());
    }
    understood
}

/// A body as it would arrive: in an envelope whose checksum is right, or the decoder behind it would never see it.
fn understood<T: serde::de::DeserializeOwned>(kind: Kind, body: &[u8]) -> bool {
    codec::decode::<T>(kind, &codec::seal(kind, 0, body), WIRE_BYTES_MAX * 2).is_ok()
}

/// Bytes as the envelope itself: headers that lie.
fn envelopes(bytes: &[u8]) {
    assert!(codec::open(Kind::Batch, bytes, WIRE_BYTES_MAX).is_err() || bytes.starts_with(b"TG"));
    let mut sealed = codec::seal(Kind::Batch, 0, bytes);
    sealed[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(codec::open(Kind::Batch, &sealed, WIRE_BYTES_MAX).is_err());
    assert!(codec::open(Kind::Batch, &sealed, 8).is_err());
}

fn random(chance: &mut Chance) -> Vec<u8> {
    let length = chance.below(300);
    (0..length).map(|_| byte(chance)).collect()
}

fn byte(chance: &mut Chance) -> u8 {
    u8::try_from(chance.below(256)).expect("below 256")
}

/// A golden body with a few things wrong.
fn mutated(chance: &mut Chance, bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut body = pick(chance, bodies).clone();
    for _ in 0..=chance.below(3) {
        let at = index(chance, body.len());
        match chance.below(6) {
            0 => body.truncate(at),
            1 => body.insert(at, byte(chance)),
            2 => body.splice(at..at, CLAIMS[index(chance, CLAIMS.len())].iter().copied()).for_each(drop),
            3 => body.splice(at.., pick(chance, bodies).iter().copied()).for_each(drop),
            4 if at < body.len() => body[at] = byte(chance),
            _ if at < body.len() => body[at] ^= 1 << chance.below(8),
            _ => {}
        }
    }
    body
}

/// Heads that claim more than there is: lists, maps, texts and bytes of 2⁶⁴−1, 2³², 2¹⁶; and lists without end.
const CLAIMS: [&[u8]; 12] = [
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x9a\xff\xff\xff\xff",
    b"\xba\xff\xff\xff\xff",
    b"\x7a\xff\xff\xff\xff",
    b"\x5a\xff\xff\xff\xff",
    b"\x99\xff\xff",
    b"\x9f",
    b"\xbf",
];

fn pick<'a>(chance: &mut Chance, bodies: &'a [Vec<u8>]) -> &'a Vec<u8> {
    &bodies[index(chance, bodies.len())]
}

fn index(chance: &mut Chance, length: usize) -> usize {
    usize::try_from(chance.below(length as u64)).expect("below a length")
}

/// Attacks thought out: depth, claims at every place, and the densest forms there are.
fn crafted(bodies: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut attacks = Vec::new();
    for unit in [
        b"\x81".as_slice(),
        b"\x9f",
        b"\xa1\x61v",
        b"\xa1\x65cause",
        b"\xbf\x61v",
        b"\xc1",
        b"\xd9\xd9\xf7",
        b"\x82\x01",
    ] {
        for depth in [127, 128, 129, 1_000, 100_000] {
            attacks.push(unit.repeat(depth));
            // The same where a value, a payload, a cause and an unknown key stand.
            for before in [
                b"\xa1\x68readings\xa3\x65first\x01\x68readings\x81\xa1\x61v".as_slice(),
                b"\xa1\x67history\xa1\x66events\x81\xa1\x76workflow_execution_failed\xa1\x67failure",
                b"\xa1\x67history\xa1\x62zz",
            ] {
                attacks.push([before, &unit.repeat(depth)].concat());
            }
        }
    }
    for claim in CLAIMS {
        // A nest of claims, each of which could ask for memory before the next is looked at.
        attacks.push(
            [b"\xa1\x68readings\xa1\x68readings".as_slice(), claim, b"\xa1\x61v", &claim.repeat(200)]
                .concat(),
        );
        for body in bodies {
            attacks.extend((0..body.len()).step_by(7).map(|at| [&body[..at], claim, &body[at..]].concat()));
        }
    }
    attacks.extend(dense());
    attacks
}

/// A detail under a key of its own, in eight bytes.
fn detail(number: usize) -> [u8; 8] {
    let digit = |place: u32| b'0' + u8::try_from(number / 64_usize.pow(place) % 64).expect("below 64");
    [0x63, digit(2), digit(1), digit(0), 0x81, 0x82, 0xa0, 0x40]
}

/// As many elements as fit 64 KiB, each in the fewest bytes that decode, in lists whose length is told and not told.
fn dense() -> Vec<Vec<u8>> {
    const ROOM: usize = 64 * 1024;
    let stamp = codec::to_cbor(&tidegate_model::time::Stamp {
        boot: tidegate_model::id::BootId::from_u128(0),
        boottime_ns: 0,
        wall: tidegate_model::time::Timestamp::EPOCH,
        state: tidegate_model::time::ClockState::Unset,
        error_us: None,
    });
    let sample = samples::all().into_iter().find(|sample| sample.name == "lane_record-history");
    let history: LaneRecord =
        codec::from_cbor(&sample.expect("there is one").bytes).expect("a sample is readable");
    let LaneRecord::History(history) = history else { panic!("not a history") };
    let history = codec::to_cbor(&LaneRecord::History(HistoryBatch { events: Vec::new(), ..history }));
    let before_events = history.strip_suffix(b"\x80").expect("the list of events stands last");
    let list = |element: &[u8]| -> Vec<u8> {
        iter::once(0x9f).chain(element.repeat(ROOM / element.len())).chain([0xff]).collect()
    };
    let blocks = [
        // Readings as lists, which serde takes for structs.
        [
            b"\xa1\x68readings\xa3\x65first\x01\x65stamp".as_slice(),
            &stamp,
            b"\x68readings",
            &list(b"\x83\x61a\x61b\xf6"),
        ]
        .concat(),
        // One reading with a vector of one-byte numbers: half floats take three.
        [
            b"\xa1\x68readings\xa3\x65first\x01\x65stamp".as_slice(),
            &stamp,
            b"\x68readings\x81\x83\x61a\x61b",
            &list(b"\xf9\x00\x00"),
        ]
        .concat(),
        // Payloads of nothing: metadata and data.
        [
            b"\xa1\x78\x1cworkflow_execution_completed\xa2\x66result".as_slice(),
            &list(b"\x82\xa0\x40"),
            b"\x78\x20workflow_task_completed_event_id\x01",
        ]
        .concat(),
        // Payloads with one key of metadata each: a map takes a whole node for it.
        [
            b"\xa1\x78\x1cworkflow_execution_completed\xa2\x66result".as_slice(),
            &list(b"\x82\xa1\x60\x40\x40"),
            b"\x78\x20workflow_task_completed_event_id\x01",
        ]
        .concat(),
        // The event of the shortest name, as a list of its fields.
        [before_events, &list(b"\xa1\x6btimer_fired\x82\x60\x01")].concat(),
        // A marker with as many details as there are keys, each of one empty payload.
        [
            b"\xa1\x6fmarker_recorded\xa3\x6bmarker_name\x60\x78\x20workflow_task_completed_event_id\x01\x67details\xbf"
                .as_slice(),
            &(0..ROOM / 8).flat_map(detail).collect::<Vec<u8>>(),
            b"\xff",
        ]
        .concat(),
    ];
    for (at, block) in blocks.iter().enumerate() {
        let decoded =
            codec::from_cbor::<LaneRecord>(block).is_ok() || codec::from_cbor::<Event>(block).is_ok();
        assert!(decoded, "dense block {at} must decode, or it attacks nothing");
    }
    blocks.to_vec()
}
