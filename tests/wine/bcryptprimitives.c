/* What Wine 8 lacks and Rust's standard library imports: ProcessPrng, by the routine that Wine
 * has for the same purpose. Windows has its own; only the tests under Wine use this. */

#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return RtlGenRandom(data, (ULONG)length);
}
