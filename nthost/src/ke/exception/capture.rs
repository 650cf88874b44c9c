//! Taking down the registers of the caller.
//!
//! Source: RtlCaptureContext.

use super::Context;

naked! {
    /// Captures the registers of the caller.
    ///
    /// Source: RtlCaptureContext.
    ///
    /// # Safety
    ///
    /// `context` is memory for a context.
    #[allow(non_snake_case, reason = "the kernel's own name")]
    pub unsafe extern "win64" fn RtlCaptureContext(context: *mut Context) {
        frame!(begin),
        "mov dword ptr [rcx + 0x30], 0x10000b",
        "mov [rcx + 0x78], rax",
        "mov [rcx + 0x80], rcx",
        "mov [rcx + 0x88], rdx",
        "mov [rcx + 0x90], rbx",
        "mov [rcx + 0xa0], rbp",
        "mov [rcx + 0xa8], rsi",
        "mov [rcx + 0xb0], rdi",
        "mov [rcx + 0xb8], r8",
        "mov [rcx + 0xc0], r9",
        "mov [rcx + 0xc8], r10",
        "mov [rcx + 0xd0], r11",
        "mov [rcx + 0xd8], r12",
        "mov [rcx + 0xe0], r13",
        "mov [rcx + 0xe8], r14",
        "mov [rcx + 0xf0], r15",
        "lea rax, [rsp + 8]",
        "mov [rcx + 0x98], rax",
        "mov rax, [rsp]",
        "mov [rcx + 0xf8], rax",
        "stmxcsr [rcx + 0x34]",
        "pushfq",
        "pop rax",
        "mov [rcx + 0x44], eax",
        "movups [rcx + 0x1a0], xmm0",
        "movups [rcx + 0x1b0], xmm1",
        "movups [rcx + 0x1c0], xmm2",
        "movups [rcx + 0x1d0], xmm3",
        "movups [rcx + 0x1e0], xmm4",
        "movups [rcx + 0x1f0], xmm5",
        "movups [rcx + 0x200], xmm6",
        "movups [rcx + 0x210], xmm7",
        "movups [rcx + 0x220], xmm8",
        "movups [rcx + 0x230], xmm9",
        "movups [rcx + 0x240], xmm10",
        "movups [rcx + 0x250], xmm11",
        "movups [rcx + 0x260], xmm12",
        "movups [rcx + 0x270], xmm13",
        "movups [rcx + 0x280], xmm14",
        "movups [rcx + 0x290], xmm15",
        "mov rax, [rcx + 0x78]",
        "ret",
        frame!(end),
    }
}
nt_export_data!(RtlCaptureContext = RtlCaptureContext);
