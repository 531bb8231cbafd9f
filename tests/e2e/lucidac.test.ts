import { expect, test } from "bun:test"
import { ARM } from "../../src/lucidac/arm.ts"
import { encodeV1, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import { encodeFrame, FrameDecoder } from "../../src/lucidac/frame.ts"
import { encodePayload } from "../../src/lucidac/payload.ts"
import { ExtractCommandSchema, StartRunCommandSchema, Time_Prefix } from "../../src/lucidac/proto/lucidac_pb.ts"
import { RawPeer } from "../support/raw-tcp.ts"
import { type Child, startRelay } from "../support/relay-process.ts"
import { until } from "../support/until.ts"

const RUN = "11111111-2222-3333-4444-555555555555"

async function startFakes(...args: string[]): Promise<Child & { devices: string[] }> {
  const child = startRelay(["lucidac", "fake", "--port", "0", ...args])
  const [line] = await child.waitForLine(/^\{.*\}$/, undefined, "stdout")
  return Object.assign(child, { devices: JSON.parse(line).devices as string[] })
}

async function startProxy(devices: readonly string[], ...args: string[]): Promise<Child & { port: number }> {
  const child = startRelay(["lucidac", "-b", devices.join(","), "-l", "127.0.0.1", "-p", "0", ...args])
  const [, port] = await child.waitForLine(/listening on 127\.0\.0\.1:(\d+)/)
  return Object.assign(child, { port: Number(port) })
}

function said(child: Child): string {
  return [...child.stdout, ...child.stderr, ""].join("\n")
}

function messages(peer: RawPeer): V1Message[] {
  const all: V1Message[] = []
  new FrameDecoder().push(peer.received, (body) => {
    const message = peekEnvelope(body)
    if (message?.kind === "v1") all.push(message)
  })
  return all
}

for (const udp of [true, false]) {
  test(`two devices behind a proxy, samples by ${udp ? "UDP" : "TCP"}: describe, run, all samples, done`, async () => {
    await using fakes = await startFakes("--carriers", "2", ...(udp ? [] : ["--no-udp"]))
    await using proxy = await startProxy(fakes.devices)
    const client = await RawPeer.connect(proxy.port)
    const extract = encodePayload(ExtractCommandSchema, { recursive: true, specification: true })
    client.send(encodeFrame(encodeV1("a", ARM.extract, extract)))
    await until(() => messages(client).length === 1, "the specification")
    const run = encodePayload(StartRunCommandSchema, {
      run: { id: RUN },
      runConfig: { opTime: { value: 200n, prefix: Time_Prefix.MILLI }, streaming: true },
      daqConfig: { numChannels: 4, sampleRate: 50_000, sampleOp: true },
    })
    client.send(encodeFrame(encodeV1("b", ARM.startRun, run)))
    const done = () => said(proxy).includes(`Run ${RUN}: done`)
    await until(done, "the end of the run")
    const line = new RegExp(`Run ${RUN}: done; (\\d+) chunks, (\\d+) lost`).exec(said(proxy))!
    const data = () => messages(client).filter(({ arm }) => arm === ARM.runData)
    await until(() => data().length === Number(line[1]), "all samples")
    expect(Number(line[1])).toBeGreaterThan(10)
    expect(line[2]).toBe("0")
    expect(messages(client)[0]!.arm).toBe(ARM.extractResponse)
    expect(messages(client)[1]!.arm).toBe(ARM.startRunResponse)
  })
}

test("the proxy says in one line what is wrong, and ends", async () => {
  const cases: [string[], number, string][] = [
    [["lucidac"], 2, "--backend"],
    [["lucidac", "-b", "carrier 10.0.0.1/0"], 1, "carrier"],
    [["lucidac", "-b", "missing.txt"], 1, "no such file"],
    [["lucidac", "-b", "10.0.0.1", "--auth"], 1, "PYBRID_AUTHENTICATION"],
    [["lucidac", "-b", "10.0.0.1", "--listen", "lab"], 2, "--listen"],
    [["lucidac", "-b", "10.0.0.1", "--allow", "lab"], 2, "--allow"],
    [["lucidac", "-b", "10.0.0.1", "--buffer", "1"], 2, "--buffer"],
    [["lucidac", "-b", "10.0.0.1", "--session-timeout", "0"], 2, "--session-timeout"],
    [["lucidac", "-b", "10.0.0.1", "--listen", "192.0.2.1"], 1, "no address 192.0.2.1"],
  ]
  await Promise.all(
    cases.map(async ([args, code, word]) => {
      await using child = startRelay(args)
      expect(await child.exited).toBe(code)
      expect(said(child)).toContain(word)
      expect(said(child)).not.toMatch(/^\s+at /m)
    }),
  )
})

test("a list is checked without a device", async () => {
  await using child = startRelay(["lucidac", "--check", "-b", "10.0.0.1/0/1,[2001:db8::1]:6000/0/2"])
  expect(await child.exited).toBe(0)
  expect(said(child)).toContain("carrier 10.0.0.1:5732 0/1\ncarrier [2001:db8::1]:6000 0/2\n")
})

test("a client of the older generation runs on an older device through the proxy, and gets its samples and DONE", async () => {
  await using fakes = await startFakes("--json")
  await using proxy = await startProxy(fakes.devices)
  const client = await RawPeer.connect(proxy.port)
  const told = () => JSON.parse(`[${client.received.toString().trim().split("\n").filter(Boolean).join(",")}]`)
  const ask = (id: string, type: string, msg: object) =>
    client.send(Buffer.from(`${JSON.stringify({ id, type, msg })}\n`))
  ask("1", "get_entities", {})
  await until(() => told().length > 0, "the entities")
  expect(told()[0]).toMatchObject({ id: "1", type: "get_entities", code: 0 })
  expect(Object.keys(told()[0].msg.entities)).toEqual(["04-E9-E5-00-00-01"])
  const daq = { num_channels: 2, sample_rate: 1_000, sample_op: true }
  ask("2", "start_run", { id: RUN, config: { ic_time_us: 100, op_time_ms: 50 }, daq_config: daq })
  const done = () =>
    told().some(
      ({ type, msg }: { type: string; msg: { new?: string } }) => type === "run_state_change" && msg.new === "DONE",
    )
  await until(done, "the end of the run")
  const data = told().filter(({ type }: { type: string }) => type === "run_data")
  expect(data.length).toBeGreaterThan(0)
  expect(data.every(({ msg }: { msg: { id: string } }) => msg.id === RUN)).toBe(true)
})
