//! The entry point: 32-bit protected mode without paging, as the PVH boot ABI leaves it, up to
//! 64-bit mode at the kernel's own addresses.
//!
//! Source: "x86/HVM direct boot ABI" of the Xen project.

use core::arch::global_asm;

use crate::ke::thread::BOOT_STACK_SIZE;

global_asm!(
    r#"
    .section .note.Xen, "a", @note
    .balign 4
    .long 4                     // length of the name
    .long 4                     // length of the value
    .long 18                    // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start

    // Page tables for the start: 4 GiB of physical memory, once from address 0 on, once at the
    // physical map's base, and its first GiB (the image) at the kernel's base.
    .section .bootpages, "aw"
    .balign 4096
    .global boot_pml4
boot_pml4:
    .quad boot_pdpt + 3
    .fill 255, 8, 0
    .quad boot_pdpt + 3
    .fill 254, 8, 0
    .quad boot_pdpt_kernel + 3
boot_pdpt:
    .quad boot_pd + 3
    .quad boot_pd + 0x1000 + 3
    .quad boot_pd + 0x2000 + 3
    .quad boot_pd + 0x3000 + 3
    .fill 508, 8, 0
boot_pdpt_kernel:
    .fill 510, 8, 0
    .quad boot_pd + 3
    .quad 0
boot_pd:
    .set page, 0
    .rept 2048
    .quad page + 0x83
    .set page, page + 0x200000
    .endr

    .section .boot, "ax"
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    mov esi, ebx                // the start info
    lgdt [boot_gdt_pointer]
    mov eax, 0x6a0              // PAE, PGE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080         // EFER: long mode, no-execute
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, 0x80010033         // PG, WP, NE, ET, MP, PE
    mov cr0, eax
    .byte 0xea                  // ljmp to 64-bit code
    .long pvh_start_64
    .word 0x08

    .code64
pvh_start_64:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    movabs rsp, offset boot_stack + {stack_size}
    xor ebp, ebp
    mov edi, esi
    movabs rax, offset boot_main
    push rbp                    // no return address: the stack walk ends here
    jmp rax

    .balign 8
    .global boot_gdt_pointer
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    // 64-bit code
    .quad 0x00cf93000000ffff    // data
    .quad 0x00cf9b000000ffff    // 32-bit code
boot_gdt_pointer:
    .word boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt

    .section .bss
    .balign 4096
    .global boot_stack
boot_stack:
    .fill {stack_size}, 1, 0

    // Where the other processors start: real mode, at an address below 1 MiB that this is
    // copied to. They find the stack and the argument of their entry in the mailbox.
    .section .rodata
    .global ap_start
    .global ap_end
    .global ap_mailbox
    .code16
ap_start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    lgdt [ap_gdt_pointer_at]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea            // ljmp to 32-bit code
    .long ap_start_32_at
    .word 0x18
    .code32
ap_start_32:
    mov ax, 0x10
    mov ds, ax
    mov ss, ax
    mov eax, 0x6a0
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, 0x80010033
    mov cr0, eax
    .byte 0xea                  // ljmp to 64-bit code
    .long ap_start_64_at
    .word 0x08
    .code64
ap_start_64:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov eax, offset ap_mailbox_at
    mov rsp, [rax]
    mov rdi, [rax + 8]
    xor ebp, ebp
    movabs rax, offset processor_main
    push rbp
    jmp rax
    .balign 8
ap_gdt_pointer:
    .word 31
    .long boot_gdt
    .balign 8
ap_mailbox:
    .quad 0                     // stack
    .quad 0                     // argument
ap_end:
    // Where these are in the copy.
    .set ap_gdt_pointer_at, {trampoline} + (ap_gdt_pointer - ap_start)
    .set ap_mailbox_at, {trampoline} + (ap_mailbox - ap_start)
    .set ap_start_32_at, {trampoline} + (ap_start_32 - ap_start)
    .set ap_start_64_at, {trampoline} + (ap_start_64 - ap_start)
    .code64
    .text
    "#,
    stack_size = const BOOT_STACK_SIZE,
    trampoline = const super::processors::TRAMPOLINE,
);
