/**
 * Where things are in a chip's address space once SC&MP runs: the `sv` struct, vcpu blocks, tables and heaps.
 * Source: spinnaker_tools 4.0.0, spinnaker.h, sark.h (sv_t, vcpu_t) and sv_init/sdram_init in scamp-3.c.
 */

/** The `sv` struct: 256 bytes at the top of system RAM. */
export const SV_BASE = 0xf5007f00
/** vcpu blocks of cores 0..17. */
export const VCPU_BASE = 0xf5007000
/** Bytes of one vcpu block. */
export const VCPU_BYTES = 128
/** The P2P routing table: three bits a chip, eight chips a word, x << 8 | y as index. */
export const P2P_TABLE = 0xe1010000
/** First byte of SDRAM. */
export const SDRAM_BASE = 0x60000000
/** Bytes of SDRAM of every chip. */
export const SDRAM_BYTES = 128 * 1024 * 1024
/** SDRAM that SC&MP keeps at the top for itself (sv.sys_bufs). */
export const SYSTEM_BYTES = 8 * 1024 * 1024
/** Where SC&MP's own SDRAM begins, and APLX images are loaded (sv.sdram_sys). */
export const SDRAM_SYSTEM = SDRAM_BASE + SDRAM_BYTES - SYSTEM_BYTES
/** System buffers at the bottom of SDRAM: 18 cores of 32768 words; user SDRAM begins behind them. */
export const SDRAM_USER = SDRAM_BASE + 18 * 32768 * 4
/** The SDRAM heap begins behind 1048576 words of user SDRAM. */
export const SDRAM_HEAP = SDRAM_USER + 1_048_576 * 4
/** User part of system RAM, and the heap behind its 1024 words. */
export const SYSRAM_USER = 0xe5000100
export const SYSRAM_HEAP = SYSRAM_USER + 1024 * 4
export const SYSRAM_HEAP_TOP = 0xe5007000
/** Seven shared-memory message buffers of 292 bytes that SC&MP takes from the system RAM heap. */
export const SHARED_MESSAGES_BYTES = 7 * 292
/** The heap in system SDRAM, behind the 256 KiB where APLX images go; what SC&MP takes from it comes to lie as below. */
export const SYSTEM_HEAP = SDRAM_SYSTEM + 65_536 * 4
/** Sizes of the tables in it, in the order in which they are allocated. */
export const SYSTEM_TABLES = [65_536 * 4, 1025 * 16, 65_536 * 4, 256 * 8] as const
export const HOP_TABLE = SYSTEM_HEAP + 24
export const ROUTER_COPY = HOP_TABLE + SYSTEM_TABLES[0] + 8
export const ALLOC_TAGS = ROUTER_COPY + SYSTEM_TABLES[1] + 8
export const APP_DATA = ALLOC_TAGS + SYSTEM_TABLES[2] + 8

/** Offsets in the `sv` struct. */
export const Sv = {
  p2pAddress: 0x00,
  p2pDimensions: 0x02,
  debugAddress: 0x04,
  p2pUp: 0x06,
  ethernetAddress: 0x08,
  hardwareVersion: 0x0a,
  ethernetUp: 0x0b,
  unixTime: 0x1c,
  netinitPhase: 0x2d,
  p2pRoot: 0x2e,
  led0: 0x30,
  rootChip: 0x40,
  sysramHeap: 0x48,
  sdramHeap: 0x4c,
  iobufBytes: 0x50,
  sdramBuffers: 0x54,
  systemBufferWords: 0x58,
  linkEnable: 0x65,
  physicalToVirtual: 0x94,
  virtualToPhysical: 0xa8,
  cores: 0xbc,
  romCores: 0xbd,
  sdramBase: 0xc0,
  sysramBase: 0xc4,
  sdramSystem: 0xc8,
  vcpuBase: 0xcc,
  systemHeap: 0xd0,
  routerCopy: 0xd4,
  hopTable: 0xd8,
  allocTags: 0xdc,
  routerFree: 0xe0,
  p2pActive: 0xe2,
  appData: 0xe4,
  sharedBuffers: 0xe8,
  ipAddress: 0xf0,
  fixedRoute: 0xf4,
  softwareVersion: 0xfc,
} as const

/** Offsets in a vcpu block. */
export const Vcpu = {
  physicalCore: 0x2d,
  state: 0x2e,
  appId: 0x2f,
  time: 0x44,
  appName: 0x48,
  iobuf: 0x58,
  softwareVersion: 0x5c,
  user0: 0x70,
} as const
