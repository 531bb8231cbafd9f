/*
 * Stand-in for a Windows library that Wine 8 lacks and Bun asks for random bytes. It lies beside the program under
 * test and is never part of a release.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length); /* RtlGenRandom, in advapi32 */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
  return SystemFunction036(data, (ULONG)length);
}
