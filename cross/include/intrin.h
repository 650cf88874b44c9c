/*
 * The overlay: in place of the compiler's header of intrinsics, which wdm.h includes and nothing
 * that becomes a binding needs. Each version of clang has its own, which another cannot read.
 */
#pragma once
