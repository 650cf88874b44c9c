//! Drivers that use the data blocks of others.
//!
//! Sources: IoWMIOpenBlock, IoWMIQueryAllData, IoWMIQuerySingleInstance, IoWMISetSingleInstance,
//! IoWMISetSingleItem, IoWMIExecuteMethod.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    io::major::{
        IRP_MN_CHANGE_SINGLE_INSTANCE, IRP_MN_CHANGE_SINGLE_ITEM, IRP_MN_EXECUTE_METHOD,
        IRP_MN_QUERY_ALL_DATA, IRP_MN_QUERY_SINGLE_INSTANCE,
    },
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER,
        STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, STATUS_WMI_GUID_NOT_FOUND,
        STATUS_WMI_INSTANCE_NOT_FOUND, nt_success,
    },
};

use super::{
    provider::{self, Provider},
    reginfo::Block,
    wnode::{ALL_DATA, METHOD_ITEM, SINGLE_INSTANCE, SINGLE_ITEM, Shape, Wnode, header},
};
use crate::{
    ex::worker::{self, Queue},
    io::interface,
    ke::lock::SpinLock,
    ob::object::{self, Kind},
};

/// `WMIGUID_QUERY`.
const QUERY: u32 = 0x01;
/// `WMIGUID_SET`.
const SET: u32 = 0x02;
/// `WMIGUID_NOTIFICATION`.
const NOTIFICATION: u32 = 0x04;
/// `WMIGUID_EXECUTE`.
const EXECUTE: u32 = 0x10;
/// `SYNCHRONIZE`.
const SYNCHRONIZE: u32 = 0x0010_0000;
/// How much an answer is first thought to take.
const ROOM: usize = 1024;

/// What is called for an event.
pub type Callback = unsafe extern "win64" fn(node: *mut c_void, context: *mut c_void);

/// A block that a driver has opened.
#[derive(Clone, Copy, Debug)]
struct Open {
    object: usize,
    guid: GUID,
    access: u32,
    callback: Option<(Callback, usize)>,
}

/// All of them. A leaf.
static OPEN: SpinLock<Vec<Open>> = SpinLock::new(Vec::new());

/// Whether anybody wants a block's data, and whether anybody wants its events.
pub fn wants(guid: GUID) -> (bool, bool) {
    let all = OPEN.lock();
    let of_block = || all.iter().filter(|open| open.guid == guid);
    let data = of_block().any(|open| open.access & (QUERY | SET | EXECUTE) != 0);
    (data, of_block().any(|open| open.callback.is_some()))
}

/// Those who want a block's events: their objects, each with a reference, and their routines.
pub fn listeners(guid: GUID) -> Vec<(*mut c_void, Callback, usize)> {
    let all = OPEN.lock().clone();
    all.into_iter()
        .filter(|open| open.guid == guid)
        .filter_map(|open| {
            let (callback, context) = open.callback?;
            let object = core::ptr::with_exposed_provenance_mut(open.object);
            object::try_reference(object).then_some((object, callback, context))
        })
        .collect()
}

/// Has a routine called for the events of a block that was opened for that.
///
/// # Errors
///
/// `STATUS_OBJECT_TYPE_MISMATCH` for what is no data block object, `STATUS_ACCESS_DENIED` if it
/// was opened for something else.
pub fn listen(object: *mut c_void, callback: Callback, context: usize) -> Result<(), NTSTATUS> {
    let open = opened(object, NOTIFICATION)?;
    let mut all = OPEN.lock();
    if let Some(open) = all.iter_mut().find(|open| open.object == object.addr()) {
        open.callback = Some((callback, context));
    }
    drop(all);
    provider::settle(open.guid);
    Ok(())
}

/// The last reference to a data block object is gone.
fn delete(object: *mut c_void) {
    let mut all = OPEN.lock();
    let place = all.iter().position(|open| open.object == object.addr());
    let closed = place.map(|place| all.remove(place));
    drop(all);
    // SAFETY: made by `IoWMIOpenBlock`, and nobody refers to it any more.
    drop(unsafe { Box::from_raw(object.cast::<u64>()) });
    if let Some(open) = closed {
        worker::queue(Queue::Delayed, move || provider::settle(open.guid));
    }
}

fn opened(object: *mut c_void, access: u32) -> Result<Open, NTSTATUS> {
    let all = OPEN.lock();
    let open = all
        .iter()
        .find(|open| open.object == object.addr())
        .copied();
    drop(all);
    let open = open.ok_or(STATUS_OBJECT_TYPE_MISMATCH)?;
    if open.access & access == 0 {
        return Err(STATUS_ACCESS_DENIED);
    }
    Ok(open)
}

/// A request about one instance.
struct Single<'a> {
    minor: u8,
    flags: u32,
    shape: Shape,
    input: &'a [u8],
    room: usize,
}

impl Single<'_> {
    /// Asks the providers of a block until one knows the instance; what it answers, and its block.
    fn ask(&self, guid: GUID, name: &str) -> Result<(Wnode, Block), NTSTATUS> {
        let providers = provider::of_data(guid);
        if providers.is_empty() {
            return Err(STATUS_WMI_GUID_NOT_FOUND);
        }
        for (provider, block) in providers {
            let index = match &block.names {
                Some(names) => {
                    let same = |known: &String| known.eq_ignore_ascii_case(name);
                    let Some(index) = names.iter().position(same) else {
                        continue;
                    };
                    Some(index as u32)
                }
                None => None,
            };
            match self.ask_one(&provider, guid, name, index) {
                // Another may know it.
                Err(STATUS_WMI_INSTANCE_NOT_FOUND | STATUS_WMI_GUID_NOT_FOUND)
                    if index.is_none() => {}
                Err(status) => return Err(status),
                Ok(node) => return Ok((node, block)),
            }
        }
        Err(STATUS_WMI_INSTANCE_NOT_FOUND)
    }

    fn ask_one(
        &self,
        provider: &Arc<Provider>,
        guid: GUID,
        name: &str,
        index: Option<u32>,
    ) -> Result<Wnode, NTSTATUS> {
        let mut room = self.room;
        loop {
            let request =
                Wnode::request(guid, self.flags, self.shape, index, name, self.input, room);
            let size = request.get(header::BUFFER_SIZE) as usize;
            let (status, answer) = provider.ask(self.minor, request);
            if !nt_success(status) {
                return Err(status);
            }
            match answer.needed() {
                None => return Ok(answer),
                // A method is not run again: the caller says how much room there is.
                Some(_) if self.minor == IRP_MN_EXECUTE_METHOD => return Ok(answer),
                Some(needed) if needed > size => room += needed - size,
                Some(_) => return Err(STATUS_BUFFER_TOO_SMALL),
            }
        }
    }
}

/// Copies bytes to a caller that says how much room there is, and is told how much is needed.
///
/// # Safety
///
/// The caller's buffer is as large as it says.
unsafe fn hand_out(bytes: &[u8], size: *mut u32, buffer: *mut c_void) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let room = unsafe { size.replace(bytes.len() as u32) } as usize;
    if room < bytes.len() || buffer.is_null() {
        return STATUS_BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller's promise; it fits.
    unsafe {
        buffer
            .cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    };
    STATUS_SUCCESS
}

/// The answers of all providers of a block, one behind the other.
fn all_data(guid: GUID) -> Result<Vec<u8>, NTSTATUS> {
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for (provider, block) in provider::of_data(guid) {
        let mut size = ROOM;
        loop {
            let (status, mut node) = provider.ask(
                IRP_MN_QUERY_ALL_DATA,
                Wnode::new(size, guid, ALL_DATA | block.name_flag()),
            );
            if !nt_success(status) {
                break;
            }
            if let Some(needed) = node.needed().filter(|&needed| needed > size) {
                size = needed;
                continue;
            }
            if let Some(names) = &block.names {
                node.add_static_names(names);
            }
            answers.push(node.contents());
            break;
        }
    }
    let Some(last) = answers.len().checked_sub(1) else {
        return Err(STATUS_WMI_GUID_NOT_FOUND);
    };
    for answer in &mut answers[..last] {
        answer.resize(answer.len().next_multiple_of(8), 0);
        // The linkage: where the next one begins.
        let next = (answer.len() as u32).to_le_bytes();
        answer[8 + 4..8 + 8].copy_from_slice(&next);
    }
    Ok(answers.concat())
}

fn query_single(guid: GUID, name: &str) -> Result<Vec<u8>, NTSTATUS> {
    let query = Single {
        minor: IRP_MN_QUERY_SINGLE_INSTANCE,
        flags: SINGLE_INSTANCE,
        shape: Shape::Instance,
        input: &[],
        room: ROOM,
    };
    let (mut node, block) = query.ask(guid, name)?;
    if let Some(names) = &block.names {
        node.add_static_names(names);
    }
    Ok(node.contents())
}

/// Has a method run, after the instance was looked for.
fn execute(
    guid: GUID,
    name: &str,
    method: u32,
    input: &[u8],
    room: usize,
) -> Result<Wnode, NTSTATUS> {
    query_single(guid, name)?;
    let execute = Single {
        minor: IRP_MN_EXECUTE_METHOD,
        flags: METHOD_ITEM,
        shape: Shape::Item(method),
        input,
        room,
    };
    Ok(execute.ask(guid, name)?.0)
}

/// Has an instance or an item of it set.
///
/// # Safety
///
/// The name is a string, the buffer as long as is said.
unsafe fn set(
    object: *mut c_void,
    name: *const UNICODE_STRING,
    item: Option<u32>,
    size: u32,
    buffer: *const c_void,
) -> NTSTATUS {
    let open = match opened(object, SET) {
        Ok(open) => open,
        Err(status) => return status,
    };
    // SAFETY: the caller's promise.
    let name = unsafe { interface::text(name) };
    // SAFETY: the caller's promise.
    let input = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), size as usize) };
    let whole = (
        IRP_MN_CHANGE_SINGLE_INSTANCE,
        SINGLE_INSTANCE,
        Shape::Instance,
    );
    let (minor, flags, shape) = item.map_or(whole, |item| {
        (IRP_MN_CHANGE_SINGLE_ITEM, SINGLE_ITEM, Shape::Item(item))
    });
    let change = Single {
        minor,
        flags,
        shape,
        input,
        room: 0,
    };
    change.ask(open.guid, &name).err().unwrap_or(STATUS_SUCCESS)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Opens a data block or an event block. The object is closed by dereferencing it.
    ///
    /// Source: IoWMIOpenBlock.
    ///
    /// # Safety
    ///
    /// `guid` is one; `object` can be written.
    pub unsafe fn IoWMIOpenBlock(
        guid: *const GUID,
        access: u32,
        object: *mut *mut c_void,
    ) -> NTSTATUS {
        if access & NOTIFICATION != 0 && access & SYNCHRONIZE == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let guid = unsafe { guid.read_unaligned() };
        let made: *mut c_void = Box::into_raw(Box::new(0_u64)).cast();
        object::insert(made, Kind::WmiGuid, delete);
        let open = Open { object: made.expose_provenance(), guid, access, callback: None };
        OPEN.lock().push(open);
        provider::settle(guid);
        // SAFETY: the caller's promise.
        unsafe { object.write(made) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Asks all providers of a block for all its instances: a chain of `WNODE_ALL_DATA`.
    ///
    /// Source: IoWMIQueryAllData.
    ///
    /// # Safety
    ///
    /// The object was opened; the buffer is as large as is said.
    pub unsafe fn IoWMIQueryAllData(
        object: *mut c_void,
        size: *mut u32,
        buffer: *mut c_void,
    ) -> NTSTATUS {
        let open = opened(object, QUERY);
        match open.and_then(|open| all_data(open.guid)) {
            // SAFETY: the caller's promise.
            Ok(bytes) => unsafe { hand_out(&bytes, size, buffer) },
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Asks for one instance of a block: a `WNODE_SINGLE_INSTANCE`.
    ///
    /// Source: IoWMIQuerySingleInstance.
    ///
    /// # Safety
    ///
    /// As IoWMIQueryAllData; the name is a string.
    pub unsafe fn IoWMIQuerySingleInstance(
        object: *mut c_void,
        name: *const UNICODE_STRING,
        size: *mut u32,
        buffer: *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let name = unsafe { interface::text(name) };
        let open = opened(object, QUERY);
        match open.and_then(|open| query_single(open.guid, &name)) {
            // SAFETY: the caller's promise.
            Ok(bytes) => unsafe { hand_out(&bytes, size, buffer) },
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Sets an instance of a block.
    ///
    /// Source: IoWMISetSingleInstance.
    ///
    /// # Safety
    ///
    /// As IoWMIQuerySingleInstance.
    pub unsafe fn IoWMISetSingleInstance(
        object: *mut c_void,
        name: *const UNICODE_STRING,
        _version: u32,
        size: u32,
        buffer: *const c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { set(object, name, None, size, buffer) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Sets one property of an instance of a block.
    ///
    /// Source: IoWMISetSingleItem.
    ///
    /// # Safety
    ///
    /// As IoWMIQuerySingleInstance.
    pub unsafe fn IoWMISetSingleItem(
        object: *mut c_void,
        name: *const UNICODE_STRING,
        item: u32,
        _version: u32,
        size: u32,
        buffer: *const c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { set(object, name, Some(item), size, buffer) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Has a method of an instance run, with its input and its output in one buffer.
    ///
    /// Source: IoWMIExecuteMethod.
    ///
    /// # Safety
    ///
    /// As IoWMIQuerySingleInstance; the buffer is as large as both sizes.
    pub unsafe fn IoWMIExecuteMethod(
        object: *mut c_void,
        name: *const UNICODE_STRING,
        method: u32,
        input_size: u32,
        output_size: *mut u32,
        buffer: *mut c_void,
    ) -> NTSTATUS {
        let open = match opened(object, EXECUTE) {
            Ok(open) => open,
            Err(status) => return status,
        };
        // SAFETY: the caller's promise.
        let name = unsafe { interface::text(name) };
        let input = if input_size == 0 {
            Vec::new()
        } else {
            let length = input_size as usize;
            // SAFETY: the caller's promise.
            unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), length) }.to_vec()
        };
        // SAFETY: the caller's promise.
        let room = unsafe { output_size.read() } as usize;
        let request = |room| {
            let request = Wnode::request(open.guid, 0, Shape::Item(0), None, &name, &input, room);
            request.get(header::BUFFER_SIZE) as usize
        };
        match execute(open.guid, &name, method, &input, room) {
            Ok(node) => match node.needed() {
                None => {
                    let output = node.data(Shape::Item(method));
                    if output.is_empty() {
                        // SAFETY: the caller's promise.
                        unsafe { output_size.write(0) };
                        return STATUS_SUCCESS;
                    }
                    // SAFETY: the caller's promise.
                    unsafe { hand_out(&output, output_size, buffer) }
                }
                Some(needed) => {
                    let head = request(0) - input.len();
                    // SAFETY: the caller's promise.
                    unsafe { output_size.write(needed.saturating_sub(head) as u32) };
                    STATUS_BUFFER_TOO_SMALL
                }
            },
            Err(status) => status,
        }
    }
}
