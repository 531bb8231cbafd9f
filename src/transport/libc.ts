/** The C library's socket calls, through bun:ffi: Bun has no option, or no quick way, for what the relay needs of them. */

/** Where the C library is, by platform. */
const LIBRARIES: Partial<Record<string, readonly string[]>> = {
  // glibc first: on a glibc system a musl library would write errno into the wrong place.
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`, "libc.so"],
  darwin: ["libSystem.B.dylib"],
}

let opened: ReturnType<typeof open> | undefined

/**
 * getsockopt and setsockopt as C has them (0 is success), send and sendto (the bytes sent, or -1). Throws where there is
 * no such library.
 */
export function openLibc() {
  // Each opening compiles the calls anew.
  opened ??= open()
  return opened
}

function open() {
  // Loaded here and not at the top: where there is no bun:ffi, the relay must run without.
  const { dlopen, FFIType } = require("bun:ffi") as typeof import("bun:ffi")
  const { i32, u32, u64_fast: size, i64_fast: ssize, ptr } = FFIType
  let failure: unknown = new Error(`No C library is known for ${process.platform}`)
  for (const name of LIBRARIES[process.platform] ?? []) {
    try {
      return dlopen(name, {
        setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
        getsockopt: { args: [i32, i32, i32, ptr, ptr], returns: i32 },
        send: { args: [i32, ptr, size, i32], returns: ssize },
        sendto: { args: [i32, ptr, size, i32, ptr, u32], returns: ssize },
      }).symbols
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
