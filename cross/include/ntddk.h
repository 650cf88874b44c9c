/* The overlay: mingw-w64's header, and behind it what that lacks. */
#pragma once
#include_next <ntddk.h>
#include <eduwdm-overlay.h>
