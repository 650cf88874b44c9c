//! What compilers call for memory, and what drivers compare it with.
//!
//! The routines are a few instructions each, in the calling convention of drivers, and save
//! what it says must be saved.

macro_rules! naked_export {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $return:ty { $($code:tt)* })*) => { $(
        naked! {
            $(#[$meta])*
            ///
            /// # Safety
            ///
            /// As C's routine of this name.
            pub unsafe extern "win64" fn $name($($argument: $type),*) -> $return { $($code)* }
        }
        nt_export_data!($name = $name);
    )* };
}

naked_export! {
    /// Copies; the ranges do not overlap. Any IRQL at which both are resident.
    fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        "mov rax, rcx", "sub rax, rdx", "jz 3f",
        "cmp rax, r8", "jb 2f",
        "neg rax", "cmp rax, r8", "jae 3f",
        "2:",
        // One begins within the other.
        "push rbp", "mov rbp, rsp",
        "push rcx", "push rdx", "push r8", "sub rsp, 40",
        "call {overlap}",
        "add rsp, 40", "pop r8", "pop rdx", "pop rcx",
        "pop rbp",
        "3:",
        "push rdi", "push rsi",
        "mov rax, rcx", "mov rdi, rcx", "mov rsi, rdx", "mov rcx, r8",
        "rep movsb",
        "pop rsi", "pop rdi",
        "ret",
        overlap = sym super::overlap::overlapping,
    }
    /// Copies; the ranges may overlap.
    fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        "push rdi", "push rsi",
        "mov rax, rcx", "mov rdi, rcx", "mov rsi, rdx",
        "mov r9, rcx", "sub r9, rdx", "mov rcx, r8",
        // Forward unless the target begins within the source.
        "cmp r9, r8", "jb 2f",
        "rep movsb", "jmp 3f",
        "2:",
        "lea rdi, [rdi + rcx - 1]", "lea rsi, [rsi + rcx - 1]",
        "std", "rep movsb", "cld",
        "3:",
        "pop rsi", "pop rdi",
        "ret"
    }
    /// Fills.
    fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
        "push rdi",
        "mov r9, rcx", "mov rdi, rcx", "mov eax, edx", "mov rcx, r8",
        "rep stosb",
        "mov rax, r9",
        "pop rdi",
        "ret"
    }
    /// Compares: negative, zero or positive by the first byte that differs.
    fn memcmp(first: *const u8, second: *const u8, count: usize) -> i32 {
        "xor eax, eax",
        "2:",
        "test r8, r8", "jz 3f",
        "movzx eax, byte ptr [rcx]", "movzx r9d, byte ptr [rdx]",
        "inc rcx", "inc rdx", "dec r8",
        "sub eax, r9d", "jz 2b",
        "3:",
        "ret"
    }
    /// The bytes of a string before its NUL.
    fn strlen(text: *const u8) -> usize {
        "xor eax, eax",
        "2:",
        "cmp byte ptr [rcx + rax], 0", "je 3f",
        "inc rax", "jmp 2b",
        "3:",
        "ret"
    }
    /// The characters of a UTF-16 string before its NUL.
    fn wcslen(text: *const u16) -> usize {
        "xor eax, eax",
        "2:",
        "cmp word ptr [rcx + 2*rax], 0", "je 3f",
        "inc rax", "jmp 2b",
        "3:",
        "ret"
    }
}

naked! {
    /// Touches the pages of a large frame, one by one, so that the guard page is met in order. RAX
    /// has the frame's size, and nothing is changed: the compiler's own convention.
    ///
    /// # Safety
    ///
    /// Called by a prolog.
    pub unsafe extern "win64" fn __chkstk() {
        "push rcx",
        "push rax",
        "lea rcx, [rsp + 24]",
        "2:",
        "cmp rax, 0x1000",
        "jb 3f",
        "sub rcx, 0x1000",
        "test byte ptr [rcx], 0",
        "sub rax, 0x1000",
        "jmp 2b",
        "3:",
        "sub rcx, rax",
        "test byte ptr [rcx], 0",
        "pop rax",
        "pop rcx",
        "ret",
    }
}
nt_export_data!(__chkstk = __chkstk);

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bytes are equal, from the start.
    ///
    /// Source: RtlCompareMemory.
    ///
    /// # Safety
    ///
    /// Both ranges can be read.
    pub unsafe fn RtlCompareMemory(first: *const u8, second: *const u8, count: usize) -> usize {
        // SAFETY: the caller's promise.
        let first = unsafe { core::slice::from_raw_parts(first, count) };
        // SAFETY: the caller's promise.
        let second = unsafe { core::slice::from_raw_parts(second, count) };
        first.iter().zip(second).take_while(|(a, b)| a == b).count()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bytes are equal to a pattern of four that repeats, from the start; zero for what is
    /// not aligned, or no multiple of four.
    ///
    /// Source: RtlCompareMemoryUlong.
    ///
    /// # Safety
    ///
    /// The range can be read.
    pub unsafe fn RtlCompareMemoryUlong(start: *const u8, count: usize, pattern: u32) -> usize {
        if !start.addr().is_multiple_of(4) || !count.is_multiple_of(4) {
            return 0;
        }
        // SAFETY: the caller's promise.
        let bytes = unsafe { core::slice::from_raw_parts(start, count) };
        let (words, _) = bytes.as_chunks::<4>();
        let equal = |word: &&[u8; 4]| **word == pattern.to_le_bytes();
        4 * words.iter().take_while(equal).count()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies; the ranges do not overlap.
    ///
    /// Source: RtlCopyMemory.
    ///
    /// # Safety
    ///
    /// Both ranges are such.
    pub unsafe fn RtlCopyMemory(to: *mut u8, from: *const u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memcpy(to, from, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies; the ranges do not overlap. That the cache is left alone is a matter of speed.
    ///
    /// Source: RtlCopyMemoryNonTemporal.
    ///
    /// # Safety
    ///
    /// Both ranges are such.
    pub unsafe fn RtlCopyMemoryNonTemporal(to: *mut u8, from: *const u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memcpy(to, from, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies; the ranges may overlap.
    ///
    /// Source: RtlMoveMemory.
    ///
    /// # Safety
    ///
    /// Both ranges are such.
    pub unsafe fn RtlMoveMemory(to: *mut u8, from: *const u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memmove(to, from, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Fills.
    ///
    /// Source: RtlFillMemory.
    ///
    /// # Safety
    ///
    /// The range can be written.
    pub unsafe fn RtlFillMemory(to: *mut u8, count: usize, value: u8) {
        // SAFETY: the caller's promise.
        unsafe { memset(to, value.into(), count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Fills with zeros.
    ///
    /// Source: RtlZeroMemory.
    ///
    /// # Safety
    ///
    /// The range can be written.
    pub unsafe fn RtlZeroMemory(to: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { memset(to, 0, count) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Says what will soon be read: a hint that changes nothing.
    ///
    /// Source: RtlPrefetchMemoryNonTemporal.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlPrefetchMemoryNonTemporal(start: *const u8, count: usize) {
        for offset in (0..count).step_by(64) {
            let line = start.wrapping_add(offset);
            // SAFETY: a prefetch faults at no address.
            unsafe {
                core::arch::asm!("prefetchnta [{}]", in(reg) line,
                    options(nostack, readonly, preserves_flags));
            };
        }
    }
}
