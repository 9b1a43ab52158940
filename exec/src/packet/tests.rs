//! Round trips, refusals, and the bytes of others.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn full() -> Request {
    Request {
        args: vec!["a".into(), OsString::from_vec(b"not \xff utf-8".to_vec()), "".into()],
        arg0: Some("-sh".into()),
        env: vec![("A".into(), "1=2".into()), ("B".into(), OsString::from_vec(vec![0x80]))],
        cwd: Some("/tmp".into()),
        streams: Streams { stdin: false, stdout: false, stderr: true },
        terminal: Some(Size { rows: 50, columns: 132, x_pixels: 1, y_pixels: 2 }),
        run_as: Some(RunAs { uid: Some(1000), gid: None }),
        on_close: OnClose { signal: 1, grace: Duration::from_millis(70) },
        timeout: Some(Duration::from_secs(9)),
        detach: true,
        labels: vec![("call".into(), "01J".into())],
        named: true,
        ..Request::new("/bin/sh")
    }
}

#[test]
fn a_request_is_read_as_it_was_written() {
    let limits = Limits::default();
    for request in [full(), Request::new("git")] {
        assert_eq!(Request::decode(&request.encode(), &limits), Ok(request));
    }
}

#[test]
fn what_a_server_says_is_read_as_it_was_written() {
    let usage = Usage { user: Duration::from_micros(7), system: Duration::from_micros(8), memory_max_kb: 9 };
    let refused = |class| Tell::Refused { class, errno: 2, message: "no such program \"x\"".to_owned() };
    for tell in [
        Tell::Exited(Ended { how: How::Signal, value: 9, core: true, usage }),
        Tell::Exited(Ended { how: How::Code, value: 0, core: false, usage: Usage::default() }),
        Tell::Pong { version: 2, free: 63 },
        refused(Class::Policy),
        refused(Class::NotFound),
        Tell::Started { pid: 77, job: 1 << 40 },
        Tell::State { stopped: Some(20) },
        Tell::State { stopped: None },
    ] {
        let message = Assembler::new(&Limits::default()).push(&tell.encode()).unwrap().unwrap();
        assert_eq!(Tell::decode(&message), Ok(tell));
    }
}

#[test]
fn a_signal_is_read_as_it_was_written() {
    for signal in [Signal { number: 15, only_it: false }, Signal { number: 64, only_it: true }] {
        let message = Assembler::new(&Limits::default()).push(&signal.encode()).unwrap().unwrap();
        assert_eq!(Signal::decode(&message), Ok(signal));
        assert_eq!(Signal::decode_v1(&signal.encode_v1()), Ok(signal));
    }
}

/// One field.
fn field(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut w = fields::Writer::default();
    w.put(tag, value);
    w.bytes
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let good = [field(0x8001, b"sh"), field(0x8005, &[7])].concat();
    let with = |more: Vec<u8>| Request::decode(&[good.clone(), more].concat(), &Limits::default());
    assert!(with(vec![]).is_ok());
    assert!(with(field(0x0FFF, b"whatever")).is_ok(), "an unknown field is skipped");
    for (more, reason) in [
        (field(0x8FFF, b""), "must be known"),
        (field(0x8001, b"a\0b"), "NUL"),
        (field(0x0003, b"novalue"), "NAME=VALUE"),
        (field(0x0003, b"=x"), "NAME=VALUE"),
        (field(0x0004, b"relative"), "absolute"),
        (field(0x8005, &[8]), "three standard streams"),
        (field(0x8005, &[7, 7]), "longer than its kind"),
        (field(0x8006, &[0; 8]), "with a terminal"),
        (field(0x8006, &[0; 7]), "cut short"),
        (field(0x0008, &[0; 8]), "1 to 64"),
        (vec![1, 2, 3], "longer than what is left"),
        (vec![1, 0x80, 0xff, 0xff, 0xff, 0xff, 0], "longer than what is left"),
    ] {
        let e = with(more).unwrap_err().to_string();
        assert!(e.contains(reason), "{reason}: {e}");
    }
    assert!(Request::decode(&field(0x8005, &[0]), &Limits::default()).unwrap_err().to_string().contains("no program"));
    assert!(Request::decode(&field(0x8001, b"sh"), &Limits::default()).unwrap_err().to_string().contains("streams"));
}

#[test]
fn every_bound_holds() {
    let limits = Limits { strings_bytes_max: 100, string_bytes_max: 40, args_max: 3, env_max: 2 };
    let mut request = Request::new("sh");
    let mut check = |change: &dyn Fn(&mut Request), what: Option<&'static str>| {
        let mut changed = request.clone();
        change(&mut changed);
        let found = Request::decode(&changed.encode(), &limits).err();
        assert_eq!(
            found.map(|e| matches!(e, Invalid::TooLarge { what: w, .. } if Some(w) == what)),
            what.map(|_| true)
        );
        request = Request::new("sh");
    };
    check(&|r| r.args = vec!["x".repeat(40).into(), "".into()], None);
    check(&|r| r.args = vec!["x".repeat(41).into()], Some("a text"));
    check(&|r| r.args = vec!["".into(); 3], Some("the number of arguments"));
    check(&|r| r.env = vec![("A".into(), "".into()); 3], Some("the number of variables"));
    check(&|r| r.env = vec![("A".into(), "x".repeat(38).into()); 2], None);
    let long: OsString = "x".repeat(38).into();
    check(&|r| (r.env, r.args) = (vec![("A".into(), long.clone()); 2], vec![long.clone()]), Some("all of the texts"));
    let mut assembler = Assembler::new(&limits);
    let mut packet = frames(&[0; 10], 64).next().unwrap();
    packet[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(assembler.push(&packet), Err(Invalid::TooLarge { what: "a message", .. })));
}

#[test]
fn packets_out_of_order_are_refused() {
    let parts: Vec<_> = frames(&[7; 20], 16).collect();
    assert_eq!(parts.len(), 3);
    let check = |packets: &[&[u8]], reason: &str| {
        let mut assembler = Assembler::new(&Limits::default());
        let failed = packets.iter().find_map(|packet| assembler.push(packet).err()).expect("it is refused");
        assert!(failed.to_string().contains(reason), "{failed}");
    };
    check(&[&parts[1]], "has not begun");
    check(&[&parts[0], &parts[0]], "before the last one is whole");
    check(&[&parts[0], &parts[1], &parts[1]], "longer than it said");
    check(&[&parts[0], &bare(Kind::Ping)], "before the last one is whole");
    check(&[&[2, 1]], "shorter than its header");
    check(&[&[3, 1, 0, 0, 0, 0, 0, 0]], "version");
    check(&[&[2, 0x44, 0, 0, 0, 0, 0, 0]], "unknown kind");
    check(&[&[2, 3, 0, 0, 9, 0, 0, 0, 1]], "only a request");
}

/// Case 34, the bytes: what was captured of Sidecar 1.2.0 for
/// `exec -c SOCK --workdir /tmp -- /bin/true a bb` stands in for its client and its server, which
/// are not to be had where these tests run.
#[test]
fn case_34_the_captured_bytes_of_sidecar_are_read_and_written_to_the_letter() {
    const REQUEST: &str = "0900000000000000 2f62696e2f74727565 0200000000000000 0100000000000000 61 \
        0200000000000000 6262 0400000000000000 2f746d70 0000000000000000 00000000 07000000 00000000 ffffffff \
        ffffffff 09000000 09000000";
    let bytes = |hex: &str| {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect::<Vec<u8>>()
    };
    let request = Request {
        args: vec!["a".into(), "bb".into()],
        cwd: Some("/tmp".into()),
        streams: Streams::ALL,
        on_close: OnClose { signal: 9, ..OnClose::default() },
        ..Request::new("/bin/true")
    };
    let request = v1::Request::of(request, v1::Startup::default());
    assert_eq!(request.encode(), bytes(REQUEST));
    assert_eq!(v1::Request::decode(&bytes(REQUEST), &Limits::default()), Ok(request));
    let opening = v1::Opening::Exec { bytes: 92 };
    assert_eq!(opening.encode(), bytes("01000000 5c00000000000000"));
    assert_eq!(v1::Opening::decode(&opening.encode()), Ok(opening));
    assert_eq!(v1::Opening::decode(&bytes("00000000")), Ok(v1::Opening::Stop));
    let answer = v1::Answer { started: Ok(0x1b02) };
    assert_eq!(answer.encode(), bytes("01 0000000000000000 00000000 021b0000"));
    assert_eq!(v1::Answer::decode(&answer.encode()), Ok(answer));
    assert_eq!(v1::End::Code(0).encode(), bytes("01000000 00000000"));
    assert_eq!(v1::End::decode(&bytes("02000000 09000000")), Ok(v1::End::Signal(9)));
}

#[test]
fn how_a_program_starts_is_four_bits_and_two_numbers_of_version_1() {
    let startup = v1::Startup { pgid: Some(0), no_terminal: true, death_signal: 15, ..v1::Startup::default() };
    let request = v1::Request::of(Request::new("x"), startup);
    let packet = request.encode();
    let numbers: Vec<i32> =
        packet[packet.len() - 28..].chunks(4).map(|n| i32::from_le_bytes(n.try_into().unwrap())).collect();
    assert_eq!(numbers, [0b101, 0, 0, -1, -1, 15, 15]);
    assert_eq!(v1::Request::decode(&packet, &Limits::default()), Ok(request));
}

#[test]
fn a_number_that_promises_too_much_costs_nothing() {
    let packet = [&u64::MAX.to_le_bytes()[..], b"x"].concat();
    assert!(matches!(v1::Request::decode(&packet, &Limits::default()), Err(Invalid::TooLarge { .. })));
}

proptest! {
    /// Case 10, the codec: any arguments and variables, in packets of any size.
    #[test]
    fn case_10_any_request_survives_any_split(
        args in proptest::collection::vec(proptest::collection::vec(1_u8.., 0..50), 0..20),
        env in proptest::collection::vec(("[A-Z_]{1,8}", "[^\0]{0,20}"), 0..10),
        packet_bytes_max in 9_usize..200,
    ) {
        let mut request = Request::new("program");
        request.args = args.into_iter().map(OsString::from_vec).collect();
        request.env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut assembler = Assembler::new(&Limits::default());
        let packets: Vec<_> = frames(&request.encode(), packet_bytes_max).collect();
        let (last, earlier) = packets.split_last().expect("there is at least one");
        for packet in earlier {
            prop_assert_eq!(assembler.push(packet), Ok(None));
        }
        let message = assembler.push(last).expect("well formed").expect("whole");
        prop_assert_eq!(Request::decode(&message.body, &Limits::default()), Ok(request));
    }

    #[test]
    fn any_bytes_are_refused_or_understood(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
        for (_, target) in fuzzing::TARGETS {
            target(&bytes);
        }
    }
}

#[test]
fn the_corpus_keeps_every_promise() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in fuzzing::TARGETS {
        let files: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().collect();
        assert!(!files.is_empty(), "{name}");
        for file in files {
            target(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}

/// Mutants of the corpus, by a seed: what a fuzzer begins with, where there is none. More rounds of
/// another seed are had with `HOTFN_FUZZ_ROUNDS` and `HOTFN_FUZZ_SEED`.
#[test]
fn mutants_of_the_corpus_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (seed, rounds) = (number("HOTFN_FUZZ_SEED").unwrap_or(1), number("HOTFN_FUZZ_ROUNDS").unwrap_or(2_000));
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in fuzzing::TARGETS {
        let files = std::fs::read_dir(corpus.join(name)).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let samples: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        let mut random = Random(seed);
        for round in 0..rounds {
            let mut bytes = samples[random.below(samples.len())].clone();
            for _ in 0..=random.below(4) {
                random.mutate(&mut bytes, &samples);
            }
            // Whose panic it is, is told by these bytes alone.
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{name}, seed {seed}, round {round}: {bytes:02x?}");
        }
    }
}

/// Numbers without a pattern, the same ones for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, max: usize) -> usize {
        usize::try_from(self.next() % max.max(1) as u64).unwrap()
    }

    /// One change of the kinds that decoders mind: a bit, a number that promises much or little, a piece
    /// that is gone, there twice, or another sample's.
    fn mutate(&mut self, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        let to = at + self.below(bytes.len() - at + 1);
        match self.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 => {
                const NUMBERS: [u64; 6] = [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 65_536];
                let number = [NUMBERS[self.below(NUMBERS.len())], bytes.len() as u64][self.below(2)].to_le_bytes();
                let wide = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
                bytes[at..at + wide].copy_from_slice(&number[..wide]);
            }
            2 => drop(bytes.drain(at..to)),
            3 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &samples[self.below(samples.len())];
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
        bytes.truncate(1 << 16);
    }
}
