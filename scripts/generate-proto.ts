/**
 * `bun scripts/generate-proto.ts`: writes src/lucidac/proto/lucidac_pb.ts anew from lucidac.proto. Only needed after a
 * change of that file: the tools (some 90 MB) come from the package registry for this alone, and the result is committed.
 */
import { join } from "node:path"
import { ROOT } from "./lib/relay-command.ts"

const BUF = "@bufbuild/buf@1.75.0"
const PLUGIN = "@bufbuild/protoc-gen-es@2.17.0"

const folder = join(ROOT, "src", "lucidac", "proto")
const template = JSON.stringify({
  version: "v2",
  plugins: [{ local: ["bunx", "--package", PLUGIN, "protoc-gen-es"], out: ".", opt: ["target=ts"] }],
})
const child = Bun.spawn(["bunx", "--package", BUF, "buf", "generate", ".", "--template", template], {
  cwd: folder,
  stdin: "ignore",
  stdout: "inherit",
  stderr: "inherit",
})
process.exitCode = await child.exited
