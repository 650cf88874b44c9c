//! The verifier: each misdeed of the drivers that do wrong ends in the bug check that is
//! documented for it, and what is told of it leads to the driver.
//!
//! The drivers are `drivers/c/wrong_*.c`, with a routine for each misdeed.
#![cfg(unix)]

use std::time::Duration;

use eductl::nthost::NtHost;
use eduwdm_qemu::{Machine, Session};
use eduwdm_tests::{
    artifacts, boot, guide, options,
    wrong::{
        self, REMOVE, When,
        When::{Done, Ended, Failed, Logged, Removed, Unloaded},
        manifest, pass_a_buffer, remove,
    },
};
use nthost_protocol::{HostRequest, Manifest, Rule};

/// How long the machine may take to its end: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// The misdeed, when it comes to light, the bug check, and those of its parameters (counted
/// from 1) that do not depend on addresses.
type Row = (&'static str, When, u32, &'static [(usize, u64)]);

/// The routine that is on the stack: the misdeed's own, but for what others do for it.
fn routine(misdeed: &str) -> &str {
    match misdeed {
        "touch_paged_in_dpc" => "touch",
        "stay_in_interrupt" => "stay",
        "stay_in_dpc" => "stay_in_dpc_routine",
        "wait_in_dpc" => "wait_in_dpc_routine",
        "end_with_mutex" => "end_with_mutex_thread",
        "end_in_region" => "end_in_region_thread",
        "end_with_locked_stack" => "end_with_locked_stack_thread",
        "use_too_much_stack" | "use_too_much_stack_in_dpc" => "depth_with_calls",
        "exhaust_stack" => "depth",
        "touch_paged_in_interrupt" => "touch_paged",
        other => other,
    }
}

fn check(machine: &str, driver: &str, row: Row) -> Result<(), String> {
    let (misdeed, when, code, parameters) = row;
    let ending = wrong::end(machine, driver, misdeed, when)?;
    let mut command = format!("cargo xtask misdeed {driver} {misdeed}");
    if machine != "up" {
        command.push_str(" --machine ");
        command.push_str(machine);
    }
    guide::compare(&command, &ending.tell(driver))?;
    let wrong::Ending {
        bugcheck,
        functions,
        log,
    } = ending;
    let fits = bugcheck.code == code
        && parameters
            .iter()
            .all(|&(index, value)| bugcheck.parameters[index - 1] == value);
    if !fits {
        return Err(format!(
            "bug check {code:#x} with parameters {parameters:x?} was due:\n{functions}"
        ));
    }
    let routine = routine(misdeed);
    let on_stack = || {
        ["", "_dispatch", "_or_other"]
            .iter()
            .any(|of| functions.contains(&format!("{driver}.sys!{routine}{of} at ")))
    };
    let in_log = || {
        log.lines()
            .any(|line| line.contains("verifier: ") && line.contains(&format!("{driver}.sys")))
    };
    let named = match when {
        Done => on_stack(),
        Logged | Unloaded | Ended => in_log(),
        Removed | Failed => on_stack() || in_log(),
    };
    if !named {
        return Err(format!("the driver is not named:\n{log}\n{functions}"));
    }
    Ok(())
}

fn check_all(driver: &str, rows: &[Row]) {
    check_all_on("up", driver, rows);
}

/// Checks all rows, and fails with what is wrong with each.
fn check_all_on(machine: &str, driver: &str, rows: &[Row]) {
    let faults: Vec<_> = rows
        .iter()
        .filter_map(|&row| Some((row.0, check(machine, driver, row).err()?)))
        .map(|(misdeed, fault)| format!("{driver}, {misdeed}: {fault}"))
        .collect();
    let (count, all) = (faults.len(), rows.len());
    assert!(
        faults.is_empty(),
        "{count} of {all}:\n{}",
        faults.join("\n")
    );
}

#[test]
fn a_misdeed_with_pool_ends_in_its_bug_check() {
    check_all(
        "wrong_pool",
        &[
            ("write_beyond_end", Done, 0xd6, &[(2, 1)]),
            ("read_beyond_end", Done, 0xd6, &[(2, 0)]),
            ("copy_beyond_end", Done, 0xcd, &[(2, 1)]),
            ("fill_beyond_end", Done, 0xcd, &[(2, 1)]),
            ("measure_beyond_end", Done, 0xcd, &[(2, 0)]),
            ("write_in_padding", Done, 0xc1, &[(4, 0x24)]),
            ("write_before_start", Done, 0xc1, &[(4, 0x23)]),
            ("write_before_page", Done, 0xd6, &[(2, 1)]),
            ("write_after_free", Done, 0xd5, &[(2, 1)]),
            ("read_after_free", Done, 0xd5, &[(2, 0)]),
            ("read_long_after_free", Done, 0xd5, &[(2, 0)]),
            ("free_twice", Done, 0xc2, &[(1, 7)]),
            ("free_no_pool", Done, 0xc4, &[(1, 0x10)]),
            ("free_inside", Done, 0xc4, &[(1, 0x10)]),
            ("free_with_other_tag", Done, 0xc2, &[(1, 0xa)]),
            ("allocate_nothing", Done, 0xc4, &[(1, 0)]),
            ("allocate_paged_at_dispatch", Done, 0xc4, &[(1, 1), (2, 2)]),
            ("free_paged_at_dispatch", Done, 0xc4, &[(1, 0x11), (2, 2)]),
            ("allocate_at_device_irql", Done, 0xc4, &[(1, 2), (2, 3)]),
            ("allocate_executable", Done, 0xc4, &[(1, 0x2000), (3, 0)]),
            (
                "allocate_executable_by_flag",
                Done,
                0xc4,
                &[(1, 0x2000), (3, 0x80)],
            ),
            ("touch_paged_at_dispatch", Done, 0xd1, &[(2, 2), (3, 1)]),
            ("touch_paged_after_unlock", Done, 0xd1, &[(2, 2), (3, 1)]),
            ("touch_paged_with_lock", Done, 0xd1, &[(2, 2), (3, 0)]),
            ("touch_paged_in_dpc", Done, 0xd1, &[(2, 2), (3, 1)]),
            ("leak_pool", Unloaded, 0xc4, &[(1, 0x62), (4, 2)]),
            ("fail_and_leak_pool", Logged, 0xc4, &[(1, 0x62), (4, 2)]),
            ("run_pool", Done, 0xfc, &[]),
            ("write_code", Done, 0xbe, &[]),
            (
                "dereference_null",
                Done,
                0x7e,
                &[(1, 0xffff_ffff_c000_0005)],
            ),
        ],
    );
}

#[test]
fn a_misdeed_with_irps_and_what_is_queued_ends_in_its_bug_check() {
    check_all(
        "wrong_io",
        &[
            ("complete_twice", Done, 0x44, &[]),
            ("complete_with_cancel_routine", Done, 0xc9, &[(1, 7)]),
            ("complete_as_pending", Done, 0xc9, &[(1, 6), (2, 0x103)]),
            ("complete_with_minus_one", Done, 0xc9, &[(1, 6)]),
            ("return_pending_unmarked", Done, 0xc9, &[(1, 0x23d)]),
            ("mark_and_return_success", Done, 0xc9, &[(1, 0x23e)]),
            ("forget_irp", Done, 0xc9, &[(1, 0x226)]),
            ("return_other_status", Done, 0xc9, &[(1, 0x224)]),
            ("return_raised", Logged, 0xc9, &[(1, 5), (3, 0), (4, 2)]),
            (
                "return_raised_from_cancel",
                Logged,
                0xc9,
                &[(1, 5), (3, 0), (4, 2)],
            ),
            ("touch_after_completion", Done, 0xd5, &[(2, 0)]),
            ("pass_on_with_cancel_routine", Done, 0xc9, &[(1, 0x203)]),
            ("pass_on_to_nobody", Done, 0xc9, &[(1, 0x204)]),
            ("pass_on_without_location", Done, 0x35, &[]),
            ("free_irp_of_thread", Done, 0xc9, &[(1, 2)]),
            ("free_irp_as_pool", Done, 0xc4, &[(1, 0x105)]),
            ("free_irp_twice", Done, 0xc9, &[(1, 1)]),
            ("use_location_below_last", Done, 0xd6, &[(2, 1)]),
            ("delete_device_twice", Done, 0xc9, &[(1, 0x240)]),
            ("delete_attached_device", Done, 0xc9, &[(1, 0x201)]),
            ("detach_from_nothing", Done, 0xc9, &[(1, 0x202)]),
            ("leave_device", Unloaded, 0xce, &[]),
            ("fail_and_leave_device", Logged, 0xce, &[]),
            ("leave_irp", Unloaded, 0xce, &[]),
            ("leave_timer_set", Unloaded, 0xc7, &[(1, 0)]),
            ("free_set_timer", Done, 0xc7, &[(1, 0)]),
            ("free_queued_dpc", Done, 0xc7, &[(1, 1)]),
            ("queue_work_item_twice", Done, 0xe4, &[(1, 1)]),
            ("queue_io_work_item_twice", Done, 0xe4, &[(1, 1)]),
            ("free_queued_io_work_item", Done, 0xe4, &[(1, 2)]),
            ("free_queued_work_item", Done, 0xe4, &[(1, 0)]),
        ],
    );
}

#[test]
fn a_misdeed_with_locks_waits_and_threads_ends_in_its_bug_check() {
    check_all(
        "wrong_ke",
        &[
            ("invert_spin_locks", Done, 0xc4, &[(1, 0x1001)]),
            ("take_three_in_a_circle", Done, 0xc4, &[(1, 0x1001)]),
            ("invert_fast_mutexes", Done, 0xc4, &[(1, 0x1001)]),
            ("release_out_of_order", Done, 0xc4, &[(1, 0x1003)]),
            ("take_spin_lock_twice", Done, 0x0f, &[]),
            ("release_free_spin_lock", Done, 0x10, &[]),
            ("release_spin_lock_below", Done, 0xc4, &[(1, 0x32), (2, 0)]),
            ("take_queued_lock_plainly", Done, 0xc4, &[(1, 0x1008)]),
            ("release_queued_lock_plainly", Done, 0xc4, &[(1, 0x1009)]),
            ("free_held_spin_lock", Done, 0xc4, &[(1, 0x100b)]),
            ("take_fast_mutex_twice", Done, 0xc4, &[(1, 0x1000)]),
            ("release_free_fast_mutex", Done, 0xc4, &[(1, 0x1007)]),
            ("wait_at_dispatch", Done, 0xc4, &[(1, 0x3b), (2, 2)]),
            ("wait_in_dpc", Done, 0xc4, &[(1, 0x3b), (2, 2)]),
            (
                "lower_irql_in_dpc",
                Logged,
                0xc4,
                &[(1, 0x31), (3, 0), (4, 1)],
            ),
            ("stay_in_dpc", Done, 0x133, &[(1, 0), (2, 201), (3, 200)]),
            ("stay_with_lock", Done, 0x133, &[(1, 1), (2, 400)]),
            ("enter_region_in_dpc", Logged, 0xc7, &[(1, 4)]),
            ("return_in_region", Done, 0xc4, &[(1, 0xc5)]),
            ("return_with_lock", Done, 0xc9, &[(1, 5), (3, 0), (4, 2)]),
            ("wait_for_too_many", Done, 0x0c, &[]),
            (
                "release_mutex_of_nobody",
                Done,
                0x7e,
                &[(1, 0xffff_ffff_c000_0046)],
            ),
            (
                "release_semaphore_beyond_limit",
                Done,
                0x7e,
                &[(1, 0xffff_ffff_c000_0047)],
            ),
            ("end_with_mutex", Done, 0x20, &[]),
            ("end_in_region", Done, 0x20, &[]),
            ("divide_by_zero", Done, 0x7e, &[(1, 0xffff_ffff_c000_0094)]),
            ("raise_status", Done, 0x7e, &[(1, 0xffff_ffff_c000_0001)]),
            ("end_with_locked_stack", Done, 0x94, &[]),
            ("exhaust_stack", Done, 0x7f, &[(1, 8)]),
            ("probe_too_much_stack", Done, 0x50, &[]),
            ("use_too_much_stack", Done, 0x2b, &[(3, 24 << 10)]),
            ("use_too_much_stack_in_dpc", Done, 0x2b, &[(3, 24 << 10)]),
            ("dereference_too_often", Done, 0x18, &[]),
            ("reference_no_handle", Done, 0xc4, &[(1, 0x3c)]),
            ("close_no_handle", Done, 0x93, &[(2, 1)]),
        ],
    );
}

#[test]
fn a_misdeed_with_mdls_and_mappings_ends_in_its_bug_check() {
    check_all(
        "wrong_mm",
        &[
            ("unlock_twice", Done, 0xc4, &[(1, 0x7c)]),
            ("unlock_never_locked", Done, 0xc4, &[(1, 0x7c)]),
            ("unlock_nonpaged", Done, 0xc4, &[(1, 0x7d)]),
            ("lock_twice", Done, 0xc4, &[(1, 0xb0)]),
            (
                "describe_paged_as_nonpaged",
                Done,
                0xc4,
                &[(1, 0x7f), (2, 0)],
            ),
            ("lock_no_memory", Done, 0x7e, &[(1, 0xffff_ffff_c000_0005)]),
            ("free_locked_mdl", Done, 0x4e, &[(1, 0x9a)]),
            ("free_mapped_mdl", Done, 0xc4, &[(1, 0xb8)]),
            ("unmap_twice", Done, 0xc4, &[(1, 0xb6)]),
            ("write_after_unmap", Done, 0x50, &[(2, 2)]),
            ("write_beyond_mapping", Done, 0x50, &[(2, 2)]),
            ("write_protected", Done, 0xbe, &[]),
            ("run_mapping", Done, 0xfc, &[]),
            ("free_pages_twice", Done, 0x4e, &[(1, 7)]),
            ("free_contiguous_twice", Done, 0xc2, &[(1, 0x60)]),
            ("unmap_no_io_space", Done, 0xda, &[(1, 0x300)]),
            ("leave_pages_locked", Unloaded, 0xcb, &[(4, 2)]),
            ("leave_pages", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_contiguous", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_io_space", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_mdl", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("free_other_size", Done, 0xda, &[(1, 2), (3, 2), (4, 1)]),
            ("free_noncached_twice", Done, 0xda, &[(1, 0x300)]),
            ("leave_noncached", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("copy_overlapping", Done, 0xc4, &[(1, 0xf0), (4, 32)]),
            ("map_memory_as_io_space", Done, 0xc4, &[(1, 0x83)]),
        ],
    );
}

#[test]
fn a_misdeed_with_reserved_mappings_and_pageable_sections_ends_in_its_bug_check() {
    check_all(
        "wrong_map",
        &[
            ("reserve_nothing", Done, 0xda, &[(1, 0x100)]),
            ("free_with_other_tag", Done, 0xda, &[(1, 0x101)]),
            ("free_unreserved", Done, 0xda, &[(1, 0x102)]),
            ("free_mapped", Done, 0xda, &[(1, 0x103)]),
            ("map_with_other_tag", Done, 0xda, &[(1, 0x104)]),
            ("map_unreserved", Done, 0xda, &[(1, 0x105)]),
            ("map_twice", Done, 0xda, &[(1, 0x107)]),
            ("unmap_with_other_tag", Done, 0xda, &[(1, 0x108)]),
            ("unmap_unmapped", Done, 0xda, &[(1, 0x10b)]),
            (
                "unmap_more_than_mapped",
                Done,
                0xda,
                &[(1, 0x10a), (3, 1), (4, 2)],
            ),
            ("unmap_part", Done, 0xda, &[(1, 0x10c), (4, 1)]),
            ("leave_reserved", Unloaded, 0xc4, &[]),
            (
                "run_pageable_code_at_dispatch",
                Done,
                0xd1,
                &[(2, 2), (3, 8)],
            ),
            (
                "read_pageable_data_at_dispatch",
                Done,
                0xd1,
                &[(2, 2), (3, 0)],
            ),
            ("use_section_after_unlock", Done, 0xd1, &[(2, 2), (3, 8)]),
            ("unlock_unlocked_section", Done, 0x1a, &[(1, 0x1010)]),
            ("lock_no_section", Done, 0x1a, &[(1, 0x1234)]),
            (
                "use_paged_driver_at_dispatch",
                Done,
                0xd1,
                &[(2, 2), (3, 8)],
            ),
        ],
    );
}

#[test]
fn what_is_right_with_reserved_mappings_and_pageable_sections_is_let_through() {
    check_let_through("wrong_map", "nothing_wrong");
}

#[test]
fn what_a_driver_leaves_when_it_is_unloaded_ends_in_its_bug_check() {
    check_all(
        "wrong_left",
        &[
            ("leave_key", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_event", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_thread", Unloaded, 0xce, &[]),
            ("leave_thread_handle", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_link", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
            ("leave_notification", Unloaded, 0xce, &[]),
            ("leave_nmi_callback", Unloaded, 0xce, &[]),
            ("leave_registry_callback", Unloaded, 0xce, &[]),
            ("leave_bugcheck_callback", Unloaded, 0xce, &[]),
            ("leave_provider", Unloaded, 0xc4, &[(1, 0xdd)]),
            ("take_provider_back_twice", Done, 0xc4, &[(1, 0xdc)]),
            ("lock_pages_of_client", Ended, 0xcb, &[]),
        ],
    );
}

#[test]
fn locked_pages_of_a_process_that_ends_are_fatal_without_the_verifier_and_name_the_driver() {
    let mut manifest = manifest("wrong_left", "lock_pages_of_client");
    manifest.verifier = Some(Vec::new());
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    // Each connection is a process: this one ends at once.
    let client = NtHost::connect(booted.session.socket()).unwrap();
    pass_a_buffer(&client).unwrap();
    drop(client);
    let log = &booted.session.guest.log;
    assert!(log.wait_for_end(LIMIT), "{}", log.lines().join("\n"));
    let end = log.bugcheck().expect("a bug check");
    // PROCESS_HAS_LOCKED_PAGES.
    assert_eq!((end.code, end.parameters[0]), (0x76, 0));
    assert!((2..=3).contains(&end.parameters[2]), "{end:x?}");
    let mut lines = log.lines().into_iter();
    assert!(lines.any(|line| line.contains("from wrong_left.sys+")));
}

#[test]
fn a_driver_that_leaves_nothing_is_unloaded() {
    check_let_through("wrong_left", "leave_nothing");
}

/// Checks that what a driver does is let through, and that it can be unloaded then.
#[track_caller]
fn check_let_through(driver: &str, deed: &str) {
    let machine = Machine::load("up").unwrap_or_else(|fault| panic!("{fault}"));
    let options = options(manifest(driver, deed));
    let mut session = Session::start(&machine, &artifacts(), &options, |_| ())
        .unwrap_or_else(|fault| panic!("{fault}"));
    let ready = session.wait_ready();
    let log = session.guest.log.lines().join("\n");
    assert!(ready.is_ok(), "{log}");
    assert!(
        log.contains(&format!("wrong: {deed} was let through")),
        "{log}"
    );
    let host = NtHost::connect(session.socket()).unwrap_or_else(|fault| panic!("{fault}"));
    let service = driver.to_owned();
    let unloaded = host.host_success(HostRequest::UnloadDriver { service });
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{log}"));
}

#[test]
fn a_misdeed_with_an_adapter_ends_in_its_bug_check() {
    check_all(
        "wrong_dma",
        &[
            ("put_adapter_twice", Done, 0xe6, &[(1, 0x18)]),
            ("use_adapter_after_put", Done, 0xe6, &[(1, 0x18)]),
            ("use_no_adapter", Done, 0xe6, &[(1, 0x19)]),
            (
                "put_adapter_with_common_buffer",
                Done,
                0xe6,
                &[(1, 7), (3, 1)],
            ),
            ("free_common_buffer_twice", Done, 0xe6, &[(1, 3), (2, 1)]),
            (
                "allocate_common_buffer_at_dispatch",
                Done,
                0xe6,
                &[(1, 0x13), (2, 2), (3, 0), (4, 2)],
            ),
            (
                "allocate_channel_below_dispatch",
                Done,
                0xe6,
                &[(1, 0x13), (2, 1), (3, 2), (4, 0)],
            ),
            ("allocate_channel_thrice", Done, 0xe6, &[(1, 0x0b), (2, 2)]),
            ("put_adapter_with_registers", Done, 0xe6, &[(1, 9), (3, 2)]),
            ("free_registers_twice", Done, 0xe6, &[(1, 5)]),
            ("free_mapped_registers", Done, 0xe6, &[(1, 0x10), (2, 1)]),
            ("map_more_than_allocated", Done, 0xe6, &[(1, 0x15)]),
            ("map_beyond_mdl", Done, 0xe6, &[(1, 0x1b)]),
            ("map_unlocked_buffer", Done, 0xe6, &[(1, 0x0e)]),
            ("flush_what_is_not_mapped", Done, 0xe6, &[(1, 0x20)]),
            ("put_adapter_with_list", Done, 0xe6, &[(1, 0x0a), (3, 1)]),
            ("put_list_twice", Done, 0xe6, &[(1, 6), (2, 1), (3, 2)]),
        ],
    );
}

#[test]
fn a_misdeed_with_memory_for_transfers_ends_in_its_bug_check() {
    check_all(
        "wrong_dma",
        &[
            (
                "device_writes_before_common_buffer",
                Done,
                0xe6,
                &[(1, 0x0f), (2, 1), (3, 8192)],
            ),
            (
                "device_writes_behind_common_buffer",
                Done,
                0xe6,
                &[(1, 0x0f), (2, 2), (3, 8192)],
            ),
            (
                "write_behind_common_buffer",
                Done,
                0xe6,
                &[(1, 0x0f), (2, 2), (3, 100)],
            ),
            ("write_behind_page_of_common_buffer", Done, 0x50, &[(2, 2)]),
            (
                "device_writes_before_list",
                Done,
                0xe6,
                &[(1, 0x0f), (2, 4)],
            ),
            (
                "device_writes_behind_list",
                Done,
                0xe6,
                &[(1, 0x0f), (2, 5)],
            ),
            (
                "device_writes_released_list",
                Done,
                0xe6,
                &[(1, 0x0f), (2, 3)],
            ),
            (
                "ask_for_too_many_registers",
                Done,
                0xe6,
                &[(1, 0x0c), (2, 18), (3, 17)],
            ),
            (
                "allocate_channel_within_routine",
                Done,
                0xe6,
                &[(1, 0x0b), (2, 2)],
            ),
            ("put_adapter_with_channel", Done, 0xe6, &[(1, 8), (3, 1)]),
            ("free_channel_twice", Done, 0xe6, &[(1, 4), (2, 1)]),
            (
                "map_without_flush",
                Done,
                0xe6,
                &[(1, 0x0d), (2, 4096), (3, 4096)],
            ),
            ("map_twice", Done, 0xe6, &[(1, 0x1d)]),
            ("map_nothing", Done, 0xe6, &[(1, 0x21)]),
            (
                "map_more_than_mdl",
                Done,
                0xe6,
                &[(1, 0x1f), (2, 3), (4, 8193)],
            ),
            ("map_more_than_chain", Done, 0xe6, &[(1, 0x24), (2, 1)]),
            (
                "map_when_memory_is_short",
                Done,
                0xe6,
                &[(1, 0), (2, 2), (3, 1)],
            ),
            (
                "map_again_before_flush",
                Done,
                0xe6,
                &[(1, 0x0d), (2, 4096), (3, 16384)],
            ),
            (
                "flush_more_than_mdl",
                Done,
                0xe6,
                &[(1, 0), (2, 1), (3, 4096), (4, 4097)],
            ),
            ("flush_other_buffer", Done, 0xe6, &[(1, 0x16)]),
            ("flush_in_part", Done, 0xe6, &[(1, 0x10), (2, 2)]),
            ("describe_unknown_version", Done, 0xe6, &[(1, 0x25), (2, 4)]),
            ("leave_adapter", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
        ],
    );
}

#[test]
fn what_a_device_does_beside_its_mappings_ends_in_a_bug_check_behind_an_iommu() {
    // Reasons 5 and 6: no right to write, and to read.
    check_all_on(
        "iommu",
        "wrong_dma",
        &[
            (
                "device_writes_unmapped_page",
                Logged,
                0xe6,
                &[(1, 0x26), (4, 5)],
            ),
            (
                "device_writes_behind_common_buffer",
                Logged,
                0xe6,
                &[(1, 0x26), (4, 5)],
            ),
            (
                "device_writes_released_list",
                Logged,
                0xe6,
                &[(1, 0x26), (4, 5)],
            ),
            (
                "device_writes_what_it_is_to_read",
                Logged,
                0xe6,
                &[(1, 0x26), (4, 5)],
            ),
            (
                "device_reads_what_it_is_to_write",
                Logged,
                0xe6,
                &[(1, 0x26), (4, 6)],
            ),
            (
                "device_reads_freed_common_buffer",
                Logged,
                0xe6,
                &[(1, 0x26), (4, 6)],
            ),
        ],
    );
}

#[test]
fn a_misdeed_with_power_ends_in_its_bug_check() {
    check_all(
        "wrong_po",
        &[
            ("register_twice", Done, 0xa0, &[(1, 0x600)]),
            ("idle_without_activation", Done, 0xa0, &[(1, 0x608), (3, 1)]),
            (
                "complete_idle_condition_unasked",
                Done,
                0xa0,
                &[(1, 0x613), (3, 1), (4, 2)],
            ),
            (
                "complete_not_required_unasked",
                Done,
                0xa0,
                &[(1, 0x613), (4, 0)],
            ),
            (
                "report_powered_on_unasked",
                Done,
                0xa0,
                &[(1, 0x613), (4, 1)],
            ),
            (
                "block_at_dispatch",
                Done,
                0xa0,
                &[(1, 0x614), (3, 1), (4, 0)],
            ),
            (
                "block_asynchronously",
                Done,
                0xa0,
                &[(1, 0x614), (3, 1), (4, 1)],
            ),
            (
                "activate_no_component",
                Done,
                0xa0,
                &[(1, 0x614), (3, 2), (4, 2)],
            ),
            ("use_after_unregistration", Done, 0xa0, &[(1, 0x607)]),
            ("keep_power_irp", Logged, 0x9f, &[(1, 3)]),
            ("leave_registration", Unloaded, 0xce, &[]),
            ("leave_power_request", Unloaded, 0xce, &[]),
            ("leave_system_state", Unloaded, 0xce, &[]),
        ],
    );
}

#[test]
fn a_misdeed_with_a_device_ends_in_its_bug_check() {
    check_all(
        "wrong_device",
        &[
            (
                "lower_irql_in_interrupt",
                Logged,
                0xc4,
                &[(1, 0x111), (4, 2)],
            ),
            ("touch_paged_in_interrupt", Done, 0xd1, &[(3, 1)]),
            ("stay_in_interrupt", Done, 0x133, &[(1, 0), (3, 200)]),
            ("take_interrupt_lock_twice", Done, 0x0f, &[]),
            ("leave_interrupt", Unloaded, 0xce, &[]),
            ("leave_interface_name", Unloaded, 0xc4, &[(1, 0x62), (4, 1)]),
        ],
    );
}

#[test]
fn a_misdeed_with_resources_and_lists_ends_in_its_bug_check() {
    check_all(
        "wrong_ex",
        &[
            ("initialize_resource_twice", Done, 0xc4, &[(1, 0xd0)]),
            ("delete_resource_twice", Done, 0xc4, &[(1, 0xd1)]),
            ("free_resource", Done, 0xc4, &[(1, 0xd2)]),
            ("take_uninitialized_resource", Done, 0xc4, &[(1, 0x1002)]),
            ("take_resource_with_apcs", Done, 0xc4, &[(1, 0x37)]),
            ("release_resource_with_apcs", Done, 0xc4, &[(1, 0x38)]),
            (
                "take_shared_resource_exclusively",
                Done,
                0xc4,
                &[(1, 0x1000)],
            ),
            ("release_resource_of_nobody", Done, 0xe3, &[]),
            ("initialize_lookaside_list_twice", Done, 0xc4, &[(1, 0xca)]),
            ("delete_lookaside_list_twice", Done, 0xc4, &[(1, 0xcb)]),
            ("make_lookaside_list_of_nothing", Done, 0xc4, &[(1, 0xcd)]),
            ("free_lookaside_list", Done, 0xc4, &[(1, 0xcc)]),
            ("leave_critical_region", Done, 0xc4, &[(1, 0x3e)]),
            ("damage_list", Done, 0x139, &[(1, 3)]),
            ("print_wide_at_dispatch", Done, 0xc4, &[(1, 0x2_0023)]),
            ("leave_resource", Unloaded, 0xce, &[]),
            ("leave_lookaside_list", Unloaded, 0xce, &[]),
            ("leave_callback", Unloaded, 0xce, &[]),
        ],
    );
}

#[test]
fn a_misdeed_with_what_irps_and_objects_are_made_of_ends_in_its_bug_check() {
    check_all(
        "wrong_irp",
        &[
            ("send_no_irp", Done, 0xc9, &[(1, 3)]),
            ("send_to_no_device", Done, 0xc9, &[(1, 4)]),
            ("initialize_timer_twice", Done, 0xc9, &[(1, 0x0a)]),
            ("complete_at_device_irql", Done, 0xc9, &[(1, 0x0e), (2, 8)]),
            ("send_at_device_irql", Done, 0xc9, &[(1, 0x10), (2, 8)]),
            ("send_marked_location", Done, 0xc9, &[(1, 0x206)]),
            ("initialize_allocated_irp", Done, 0xc9, &[(1, 0x20d)]),
            ("return_minus_one", Done, 0xc9, &[(1, 0x225)]),
            ("create_at_dispatch", Done, 0xc9, &[(1, 0x23a)]),
            ("send_with_signalled_event", Done, 0xc9, &[(1, 0x307)]),
            ("send_without_interrupts", Done, 0xc4, &[(1, 0xc0)]),
            ("return_without_interrupts", Logged, 0xc4, &[(1, 0xc1)]),
            ("wait_for_what_is_on_stack", Done, 0xc4, &[(1, 0x123)]),
            ("queue_pageable_work_item", Done, 0xc4, &[(1, 0x131)]),
            ("make_pageable_event", Done, 0xc4, &[(1, 0xe1)]),
            ("reference_null_handle", Done, 0xc4, &[(1, 0xf5), (2, 0)]),
            ("free_at_device_irql", Done, 0xc4, &[(1, 0x12), (2, 8)]),
        ],
    );
}

#[test]
fn a_misdeed_with_plug_and_play_and_power_ends_in_its_bug_check() {
    check_all(
        "wrong_pnp",
        &[
            ("leave_attached", Removed, 0xc9, &[(1, 0x21d)]),
            ("leave_undeleted", Removed, 0xc9, &[(1, 0x21e)]),
            ("fail_removal", Removed, 0xc9, &[(1, 0x306)]),
            ("fail_surprise_removal", Failed, 0xc9, &[(1, 0x247)]),
            ("detach_at_surprise_removal", Failed, 0xc9, &[(1, 0x241)]),
            ("delete_at_surprise_removal", Failed, 0xc9, &[(1, 0x242)]),
            ("complete_untouched", Done, 0xc9, &[(1, 0x22f)]),
            ("complete_successful", Done, 0xc9, &[(1, 0x22e)]),
            ("pass_on_failed", Done, 0xc9, &[(1, 0x215)]),
            ("take_status_back", Done, 0xc9, &[(1, 0x216)]),
            ("send_without_status", Done, 0xc9, &[(1, 0x20e)]),
            ("send_power_without_status", Done, 0xc9, &[(1, 0x20f)]),
            ("send_control_without_status", Done, 0xc9, &[(1, 0x210)]),
            ("send_reserved", Done, 0xc9, &[(1, 0x237)]),
            ("send_power", Done, 0xc9, &[(1, 0x237)]),
            ("complete_power_untouched", Done, 0xc9, &[(1, 0x232)]),
            ("complete_power_successful", Done, 0xc9, &[(1, 0x231)]),
            ("pass_on_failed_power", Done, 0xc9, &[(1, 0x219)]),
            ("have_no_power_routine", Logged, 0xc9, &[(1, 0x21f)]),
            ("fail_power", Done, 0xc9, &[(1, 0x247)]),
            ("fail_completed_power", Done, 0xc9, &[(1, 0x247)]),
        ],
    );
}

#[test]
fn a_misdeed_of_a_bus_ends_in_its_bug_check() {
    check_all(
        "wrong_bus",
        &[
            ("report_same_device_twice", Logged, 0xca, &[(1, 1)]),
            ("invalidate_own_device", Done, 0xca, &[(1, 2)]),
            ("report_deleted_device", Logged, 0xca, &[(1, 4)]),
            ("report_null", Logged, 0xca, &[(1, 8)]),
        ],
    );
}

#[test]
fn a_misdeed_in_a_stack_of_devices_ends_in_its_bug_check() {
    check_all(
        "wrong_stack",
        &[
            ("send_irp_below", Done, 0xc9, &[(1, 0x205)]),
            ("complete_irp_below", Done, 0xc9, &[(1, 0x209)]),
            (
                "raise_irql_in_completion",
                Logged,
                0xc4,
                &[(1, 0xfa), (3, 0), (4, 2)],
            ),
            ("enter_region_in_completion", Logged, 0xc4, &[(1, 0xfb)]),
            ("forget_pending", Done, 0xc9, &[(1, 0x228)]),
            ("change_status", Done, 0xc9, &[(1, 0x224)]),
            ("turn_into_read_config", Done, 0xc9, &[(1, 0x20e)]),
            ("pend_what_was_passed_on", Done, 0xc9, &[(1, 0x23d)]),
            ("copy_completion_routine", Done, 0xc9, &[(1, 0x207)]),
            ("free_irp_below", Done, 0xc9, &[(1, 0x20b)]),
            ("reuse_irp_below", Done, 0xc9, &[(1, 0x310)]),
            ("reuse_built_irp", Done, 0xc9, &[(1, 0x311)]),
            ("tell_too_much_information", Done, 0xc9, &[(1, 0x312)]),
            ("tell_information_without_output", Done, 0xc9, &[(1, 0x312)]),
            ("tell_too_much_read", Done, 0xc9, &[(1, 0x312)]),
        ],
    );
}

/// Boots a driver that does wrong, and unloads it: what the log says of it.
fn log_of(manifest: Manifest, service: &str) -> String {
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    remove(&booted.host, service, REMOVE).unwrap();
    let service = service.to_owned();
    let unloaded = booted
        .host
        .host_success(HostRequest::UnloadDriver { service });
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    let log = booted.log();
    booted.shut_down();
    log
}

#[test]
fn what_is_found_is_told_and_the_driver_goes_on_if_that_is_wanted() {
    for (driver, misdeed, told) in [
        ("wrong_io", "return_other_status", "0xc9 (0x224,"),
        ("wrong_io", "leave_device", "0xce ("),
        ("wrong_ke", "close_no_handle", "0x93 ("),
        ("wrong_pool", "leak_pool", "0xc4 (0x62,"),
        ("wrong_left", "leave_notification", "0xce ("),
        ("wrong_ex", "print_wide_at_dispatch", "0xc4 (0x20023,"),
        ("wrong_mm", "copy_overlapping", "0xc4 (0xf0,"),
    ] {
        let mut manifest = manifest(driver, misdeed);
        manifest.verifier_goes_on = vec![Rule::All];
        let log = log_of(manifest, driver);
        let line = format!("verifier: found {told}");
        let told = log.lines().filter(|found| found.contains(&line)).count();
        assert!(told > 0, "{driver}, {misdeed}: {line} is due:\n{log}");
        assert!(!log.contains("*** STOP"), "{driver}, {misdeed}:\n{log}");
    }
}

#[test]
fn with_the_verifier_off_what_it_alone_looks_at_is_let_pass() {
    for (driver, misdeed) in [
        ("wrong_io", "return_other_status"),
        ("wrong_io", "leave_device"),
        ("wrong_io", "leave_irp"),
        ("wrong_ke", "close_no_handle"),
        ("wrong_pool", "leak_pool"),
        ("wrong_left", "leave_notification"),
        ("wrong_mm", "copy_overlapping"),
    ] {
        let mut manifest = manifest(driver, misdeed);
        manifest.verifier = Some(Vec::new());
        let log = log_of(manifest, driver);
        assert!(
            log.contains("was let through"),
            "{driver}, {misdeed}:\n{log}"
        );
        assert!(!log.contains("verifier: "), "{driver}, {misdeed}:\n{log}");
    }
}

#[test]
fn the_log_says_why_there_is_no_pool_and_for_whom_a_removal_waits() {
    let log = log_of(
        manifest("wrong_pool", "allocate_by_pool_type"),
        "wrong_pool",
    );
    let line = "ExAllocatePool2 gives NULL to wrong_pool.sys+";
    let told = log.lines().find(|found| found.contains(line));
    assert!(told.is_some_and(|told| told.contains("POOL_TYPE")), "{log}");
    let manifest = manifest("wrong_io", "keep_remove_lock");
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let told = booted.session.guest.log.wait(LIMIT, |line| {
        line.contains("a removal waits for the remove lock") && line.contains("the tag 0x1234")
    });
    let told = told.unwrap_or_else(|| panic!("{}", booted.log()));
    assert!(told.contains("wrong_io.sys+"), "{told}");
}
