//! Event providers. A session that takes everything is on from the start.
//!
//! Sources: EtwRegister, EtwUnregister, EtwSetInformation, EtwProviderEnabled, EtwEventEnabled, nc-wdm-etwenablecallback. Events are kept, the oldest
//! given up when there are too many, until the host takes them.

use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    status::{NTSTATUS, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};
use nthost_protocol::manifest::VerifierOption;

use super::{
    activity,
    tracelogging::{self, Fault},
};
use crate::{
    export,
    hal::time,
    hook,
    ke::{bugcheck::code, lock::HighLock, pcr},
};

/// How many events are kept.
const CAPACITY: usize = 65536;
/// `EVENT_CONTROL_CODE_ENABLE_PROVIDER`.
const ENABLE: u32 = 1;
/// `TRACE_LEVEL_VERBOSE`.
const VERBOSE: u8 = 5;
/// `EventProviderSetTraits` of `EVENT_INFO_CLASS`: the provider's name comes with it.
const SET_TRAITS: i32 = 2;

/// Tells a provider that somebody listens (nc-wdm-etwenablecallback).
type EnableCallback = unsafe extern "win64" fn(
    source: *const GUID,
    control: u32,
    level: u8,
    any: u64,
    all: u64,
    filter: *mut c_void,
    context: *mut c_void,
);

/// What an event is (ns-evntprov-_event_descriptor).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct EventDescriptor {
    id: u16,
    version: u8,
    channel: u8,
    level: u8,
    opcode: u8,
    task: u16,
    keyword: u64,
}

/// A piece of an event's data (ns-evntprov-_event_data_descriptor).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct EventData {
    address: u64,
    size: u32,
    kind: u8,
    reserved: [u8; 3],
}

/// `EVENT_DATA_DESCRIPTOR_TYPE_EVENT_METADATA`.
const EVENT_METADATA: u8 = 1;
/// `EVENT_DATA_DESCRIPTOR_TYPE_PROVIDER_METADATA`.
const PROVIDER_METADATA: u8 = 2;

#[derive(Debug)]
struct Provider {
    id: GUID,
    name: Option<String>,
    caller: u64,
}

#[derive(Debug)]
struct Event {
    microseconds: u64,
    processor: u32,
    provider: String,
    content: Content,
    data: Vec<u8>,
}

/// What an event is beside its data.
#[derive(Debug)]
enum Content {
    /// A provider's event.
    Described {
        descriptor: EventDescriptor,
        activity: GUID,
        related: Option<GUID>,
        metadata: Option<Vec<u8>>,
    },
    /// A message of software tracing.
    Message(Message),
}

/// A message of software tracing.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Which of its class.
    pub number: u16,
    /// Who wrote it: a process and a thread.
    pub ids: Option<(u64, u64)>,
}

impl EventDescriptor {
    /// That of a text.
    #[must_use]
    pub const fn text(level: u8, keyword: u64) -> Self {
        Self {
            id: 0,
            version: 0,
            channel: 0,
            level,
            opcode: 0,
            task: 0,
            keyword,
        }
    }
}

impl EventData {
    /// A piece of plain data.
    #[must_use]
    pub const fn new(address: u64, size: u32) -> Self {
        Self {
            address,
            size,
            kind: 0,
            reserved: [0; 3],
        }
    }
}

#[derive(Debug, Default)]
struct Session {
    providers: BTreeMap<u64, Provider>,
    next: u64,
    events: VecDeque<Event>,
    lost: u64,
    /// Since the start: events lost, and events written.
    counts: (u32, u32),
}

impl Session {
    fn keep(&mut self, event: Event) {
        if self.events.len() == CAPACITY {
            self.events.pop_front();
            self.lost += 1;
            self.counts.0 += 1;
        }
        self.counts.1 += 1;
        self.events.push_back(event);
    }
}

/// Taken at any IRQL. A leaf but for the heap.
static SESSION: HighLock<Option<Session>> = HighLock::new(None);

fn with<T>(work: impl FnOnce(&mut Session) -> T) -> T {
    work(SESSION.lock().get_or_insert_with(Session::default))
}

/// Takes the events written so far, one line each.
#[must_use]
pub fn drain() -> Vec<String> {
    let (events, lost) = with(|session| {
        let events = core::mem::take(&mut session.events);
        (events, core::mem::take(&mut session.lost))
    });
    let lost = (lost > 0).then(|| format!("{lost} events were lost"));
    lost.into_iter().chain(events.iter().map(line)).collect()
}

fn line(event: &Event) -> String {
    let (seconds, rest) = (
        event.microseconds / 1_000_000,
        event.microseconds % 1_000_000,
    );
    let place = format!("[{seconds:3}.{rest:06} cpu{}]", event.processor);
    let (descriptor, activity, related, metadata) = match &event.content {
        Content::Described {
            descriptor,
            activity,
            related,
            metadata,
        } => (descriptor, activity, related, metadata),
        Content::Message(Message { number, ids }) => {
            let who = ids.map(|(process, thread)| format!(" of {process:#x}.{thread:#x}"));
            return format!(
                "{place} {} message {number}{} {:02x?}",
                event.provider,
                who.unwrap_or_default(),
                event.data
            );
        }
    };
    let EventDescriptor {
        id, level, keyword, ..
    } = *descriptor;
    let activity = if *activity == GUID::default() {
        String::new()
    } else {
        format!(" activity {activity}")
    };
    let related = related.map_or_else(String::new, |id| format!(" related to {id}"));
    let described = metadata.as_ref().map_or_else(
        || Ok(format!("event {id} {:02x?}", event.data)),
        |metadata| tracelogging::event_line(metadata, &event.data),
    );
    let text = described.unwrap_or_else(|fault: Fault| {
        format!(
            "event {id} that cannot be read ({fault:?}) {:02x?}",
            event.data
        )
    });
    format!(
        "{place} {} level {level} keyword {keyword:#x}{activity}{related}: {text}",
        event.provider
    )
}

/// Registrations that drivers have not taken back: the handles, and who made them.
#[must_use]
pub fn registered() -> Vec<(u64, u64)> {
    with(|session| {
        let providers = session.providers.iter();
        providers
            .map(|(&handle, provider)| (handle, provider.caller))
            .collect()
    })
}

/// How many events were lost, and written, since the start.
#[must_use]
pub fn counts() -> (u32, u32) {
    with(|session| session.counts)
}

/// Writes a message of software tracing, of a class.
pub fn write_message(class: GUID, message: Message, data: Vec<u8>) {
    let event = Event {
        microseconds: time::microseconds_since_reset(),
        processor: pcr::number_or_zero(),
        provider: class.to_string(),
        content: Content::Message(message),
        data,
    };
    with(|session| session.keep(event));
}

/// Writes an event: the activity that it belongs to, and that which it is related to.
///
/// # Safety
///
/// The pieces can be read.
pub(super) unsafe fn write(
    handle: u64,
    descriptor: *const EventDescriptor,
    (activity, related): (Option<&GUID>, Option<&GUID>),
    count: u32,
    data: *const EventData,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { *descriptor };
    let pieces = if count == 0 {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(data, count as usize) }
    };
    let bytes = |piece: &EventData| {
        let start = core::ptr::with_exposed_provenance::<u8>(piece.address as usize);
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(start, piece.size as usize) }.to_vec()
    };
    let of_kind = |kind: u8| pieces.iter().find(|piece| piece.kind == kind).map(bytes);
    let provider_metadata = of_kind(PROVIDER_METADATA);
    let metadata = of_kind(EVENT_METADATA);
    let payload = pieces
        .iter()
        .filter(|piece| piece.kind == 0 && piece.size > 0);
    let data = payload.flat_map(bytes).collect();
    let name = provider_metadata.and_then(|name| tracelogging::provider_name(&name).ok());
    let event = Event {
        microseconds: time::microseconds_since_reset(),
        processor: pcr::number_or_zero(),
        provider: String::new(),
        content: Content::Described {
            descriptor,
            activity: activity.copied().unwrap_or_else(activity::current),
            related: related.copied(),
            metadata,
        },
        data,
    };
    with(|session| {
        let Some(provider) = session.providers.get(&handle) else {
            return STATUS_INVALID_HANDLE;
        };
        let provider = name
            .or_else(|| provider.name.clone())
            .unwrap_or_else(|| provider.id.to_string());
        session.keep(Event { provider, ..event });
        STATUS_SUCCESS
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_NO_MEMORY;
    /// Registers a provider, and tells it at once that it is enabled, for everything.
    ///
    /// Source: EtwRegister.
    ///
    /// # Safety
    ///
    /// `id` is a GUID; `handle` can be written; the callback is null or may be called until the
    /// provider unregisters.
    pub unsafe fn EtwRegister(
        id: *const GUID,
        callback: Option<EnableCallback>,
        context: *mut c_void,
        handle: *mut u64,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let Some(id) = (unsafe { id.as_ref() }).copied().filter(|_| !handle.is_null()) else {
            return STATUS_INVALID_PARAMETER;
        };
        let number = with(|session| {
            session.next += 1;
            let number = session.next;
            session.providers.insert(number, Provider { id, name: None, caller });
            number
        });
        // SAFETY: the caller's promise.
        unsafe { handle.write(number) };
        if let Some(callback) = callback {
            let source = GUID::default();
            let (any, all, filter) = (u64::MAX, 0, core::ptr::null_mut());
            // SAFETY: the caller's promise.
            unsafe { callback(&raw const source, ENABLE, VERBOSE, any, all, filter, context) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes a registration back. A handle that is none ends in bug check 0xC4, subcode 0xDC.
    ///
    /// Source: EtwUnregister.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn EtwUnregister(handle: u64) -> NTSTATUS {
        if with(|session| session.providers.remove(&handle)).is_some() {
            return STATUS_SUCCESS;
        }
        let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
        let parameters = [0xdc, handle, 0, 0];
        hook::violation(VerifierOption::MiscellaneousChecks, code, parameters);
        STATUS_INVALID_HANDLE
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells something of a provider: its traits, of which the name is kept. Other classes of
    /// information make no difference here.
    ///
    /// Source: EtwSetInformation.
    ///
    /// # Safety
    ///
    /// `information` is as long as it says.
    pub unsafe fn EtwSetInformation(
        handle: u64,
        class: i32,
        information: *const u8,
        length: u32,
    ) -> NTSTATUS {
        let name = if class == SET_TRAITS && !information.is_null() {
            // SAFETY: the caller's promise.
            let bytes = unsafe { core::slice::from_raw_parts(information, length as usize) };
            tracelogging::provider_name(bytes).ok()
        } else {
            None
        };
        with(|session| match session.providers.get_mut(&handle) {
            Some(provider) => {
                provider.name = name.or_else(|| provider.name.take());
                STATUS_SUCCESS
            }
            None => STATUS_INVALID_HANDLE,
        })
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether anybody listens to a provider's events of this level: the session does.
    ///
    /// Source: EtwProviderEnabled.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn EtwProviderEnabled(handle: u64, _level: u8, _keyword: u64) -> u8 {
        u8::from(with(|session| session.providers.contains_key(&handle)))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether anybody listens to an event: the session does.
    ///
    /// Source: EtwEventEnabled.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn EtwEventEnabled(handle: u64, _descriptor: *const EventDescriptor) -> u8 {
        u8::from(with(|session| session.providers.contains_key(&handle)))
    }
}
