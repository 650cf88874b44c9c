//! No panic can be reached from a request: the driver's image has none but where DriverEntry
//! prepares itself, and in the `wdk` crate's formatting of lines for the debugger.
//!
//! The image is taken apart: whoever calls a routine of the language's that panics is named by
//! the PDB. An index that is not known to be in range, an `unwrap`, or a `push` onto a list that
//! may be full would each show up here.
#![cfg(unix)]

use std::fs;

use eduwdm_tests::out;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use object::{Object, ObjectSection};
use pdb2::{FallibleIterator, PDB, SymbolData};

/// A procedure of the image: its first address, relative to the image's base, its length, and
/// its name.
struct Procedure {
    start: u64,
    length: u64,
    name: String,
}

fn procedures(pdb: &str) -> Vec<Procedure> {
    let file = fs::File::open(out().join(pdb)).unwrap();
    let mut pdb = PDB::open(file).unwrap();
    let addresses = pdb.address_map().unwrap();
    let debug = pdb.debug_information().unwrap();
    let mut modules = debug.modules().unwrap();
    let mut procedures = Vec::new();
    while let Some(module) = modules.next().unwrap() {
        let Some(info) = pdb.module_info(&module).unwrap() else {
            continue;
        };
        let mut symbols = info.symbols().unwrap();
        while let Some(symbol) = symbols.next().unwrap() {
            let Ok(SymbolData::Procedure(procedure)) = symbol.parse() else {
                continue;
            };
            if let Some(start) = procedure.offset.to_rva(&addresses) {
                procedures.push(Procedure {
                    start: start.0.into(),
                    length: procedure.len.into(),
                    name: procedure.name.to_string().into_owned(),
                });
            }
        }
    }
    procedures
}

/// Whether a routine is one of those with which the language panics.
fn panics(name: &str) -> bool {
    name.starts_with("core::panicking::")
        || name.ends_with("_fail")
        || name.starts_with("core::str::slice_error_fail")
        || name.contains("unwrap_failed")
        || name.contains("expect_failed")
        || name == "alloc::alloc::handle_alloc_error"
}

/// Who may panic: what runs before there is a device, and what prints.
fn may_panic(name: &str) -> bool {
    name == "eduwdm::driver_entry" || name.starts_with("wdk::fmt::") || panics(name)
}

/// The calls and jumps from one procedure to another, with the callers' addresses.
fn calls(image: &str, procedures: &[Procedure]) -> Vec<(u64, String, String)> {
    let bytes = fs::read(out().join(image)).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let base = file.relative_address_base();
    let at = |address: u64| {
        procedures.iter().find(|procedure| {
            (procedure.start..procedure.start + procedure.length).contains(&address)
        })
    };
    let mut calls = Vec::new();
    let text = file.section_by_name(".text").unwrap();
    let code = text.data().unwrap();
    for procedure in procedures {
        let Some(offset) = procedure.start.checked_sub(text.address() - base) else {
            continue;
        };
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(procedure.length))
        else {
            continue;
        };
        let Some(body) = code.get(offset..offset + length) else {
            continue;
        };
        let mut decoder = Decoder::with_ip(64, body, procedure.start, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            let near = matches!(
                instruction.flow_control(),
                FlowControl::Call
                    | FlowControl::UnconditionalBranch
                    | FlowControl::ConditionalBranch
            );
            if near && let Some(target) = at(instruction.near_branch_target()) {
                calls.push((
                    instruction.ip(),
                    procedure.name.clone(),
                    target.name.clone(),
                ));
            }
        }
    }
    calls
}

#[test]
fn no_panic_is_reachable_from_a_request() {
    let procedures = procedures("eduwdm.pdb");
    let calls = calls("eduwdm.sys", &procedures);
    println!("{} procedures, {} calls", procedures.len(), calls.len());
    // The image is what it is thought to be, or nothing would be found in it.
    assert!(
        calls.iter().any(|(_, _, callee)| panics(callee)),
        "not even DriverEntry can panic: is it the driver's image?"
    );
    assert!(
        calls
            .iter()
            .any(|(_, caller, _)| caller.starts_with("eduwdm::edu::queue::")),
        "the queues call nothing: is it the driver's image?"
    );
    let forbidden: Vec<String> = calls
        .iter()
        .filter(|(_, caller, callee)| panics(callee) && !may_panic(caller))
        .map(|(address, caller, callee)| format!("{caller}+{address:#x} -> {callee}"))
        .collect();
    assert_eq!(forbidden, [""; 0], "these can panic");
}
