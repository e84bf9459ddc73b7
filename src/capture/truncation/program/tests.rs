use std::net::UdpSocket;
use std::os::fd::AsFd as _;

use super::*;
use crate::capture::truncation::interpreter;
use crate::sys::packet_socket;

fn cut() -> Vec<Instruction> {
    program(LinkType::Ethernet, Reach::Inner).unwrap()
}

fn attached(program: &[Instruction]) -> std::io::Result<()> {
    let parts = program.iter().map(|it| (it.code, it.jump_true, it.jump_false, it.operand));
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    packet_socket::Program::from_instructions(parts).attach(socket.as_fd())
}

#[test]
fn the_kernel_takes_the_program_and_leaves_room_for_a_filter() {
    for link_type in [LinkType::Ethernet, LinkType::RawIp] {
        for reach in [Reach::Inner, Reach::Outer] {
            let program = program(link_type, reach).unwrap();
            println!("{link_type:?} {reach:?}: {} instructions", program.len());
            assert!(program.len() + 250 <= op::LONGEST, "{}", program.len());
            attached(&program).unwrap();
        }
    }
    assert!(program(LinkType::Other(147), Reach::Inner).is_none());
}

#[test]
fn the_program_without_tunnels_leaves_room_for_a_filter_on_older_kernels() {
    for link_type in [LinkType::Ethernet, LinkType::RawIp] {
        let program = without_tunnels(link_type).unwrap();
        println!("{link_type:?}: {} instructions", program.len());
        // Before Linux 6.7 a socket may have 20,480 octets, which was enough for 1,300 of ours.
        assert!(program.len() <= 1_250, "{}", program.len());
        attached(&program).unwrap();
    }
    assert!(without_tunnels(LinkType::Other(147)).is_none());
}

#[test]
fn a_filter_drops_what_it_dropped_and_what_it_passed_is_cut() {
    let return_value =
        |operand| Instruction { code: op::RETURN, jump_true: 0, jump_false: 0, operand };
    // Octet 13 must be 0x00: IPv4.
    let load = Instruction { code: op::LOAD_BYTE_FIXED, jump_true: 0, jump_false: 0, operand: 13 };
    let test = Instruction { code: op::IF_EQUAL, jump_true: 0, jump_false: 1, operand: 0 };
    let filter = [load, test, return_value(262_144), return_value(0)];
    let program = behind(&filter, &cut()).unwrap();
    attached(&program).unwrap();
    let mut frame = [0; 100];
    frame[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0x00]);
    frame[17] = 86;
    frame[23] = 17;
    assert_eq!(interpreter::run(&program, &frame), Ok(42));
    frame[13] = 1;
    assert_eq!(interpreter::run(&program, &frame), Ok(0));
    assert_eq!(interpreter::run(&program, &frame[..10]), Ok(0));
}

#[test]
fn a_filter_without_room_for_the_cut_is_an_error_that_says_how_long_it_may_be() {
    let cut = cut();
    let filter = vec![Instruction::go(0); op::LONGEST - cut.len()];
    assert_eq!(behind(&filter, &cut).unwrap().len(), op::LONGEST);
    let longer = [filter.as_slice(), &[Instruction::go(0)]].concat();
    let error = behind(&longer, &cut).unwrap_err();
    assert_eq!((error.filter, error.most), (longer.len(), filter.len()));
}

#[test]
fn a_jump_that_leads_back_is_no_program() {
    let mut code = Assembler::default();
    let place = code.place();
    code.here(place);
    code.load_value(1);
    code.if_equal(1, place);
    code.end_at_a();
    assert_eq!(code.assemble(), None);
}

#[test]
fn far_places_are_reached_and_share_the_way() {
    let mut code = Assembler::default();
    let (far, farther) = (code.place(), code.place());
    code.load_length();
    for length in 0..4 {
        code.if_equal(length, if length < 3 { far } else { farther });
    }
    for _ in 0..1000 {
        code.add(1);
    }
    code.here(far);
    code.add(10_000);
    code.here(farther);
    code.end_at_a();
    let program = code.assemble().unwrap();
    assert_eq!(program.len(), 1 + 4 + 1000 + 2 + 2, "one jump for each of the places");
    let run = |length: usize| interpreter::run(&program, &[0; 9][..length]);
    assert_eq!([0, 1, 2, 3, 4].map(run), [Ok(10_000), Ok(10_001), Ok(10_002), Ok(3), Ok(11_004)]);
}
