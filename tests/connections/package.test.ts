import { expect, test } from "bun:test"
import packageJson from "../../package.json" with { type: "json" }

test("the package exports SpiNNMan's connections by their names", async () => {
  const library: Record<string, unknown> = await import(`../../${packageJson.exports["."]}`)
  const names = [
    "UDPConnection",
    "SDPConnection",
    "SCAMPConnection",
    "BMPConnection",
    "BootConnection",
    "EIEIOConnection",
    "IPAddressesConnection",
    "updateSdpHeaderForUdpSend",
    "ConnectionListener",
    "SCPRequestPipeLine",
    "SpinnmanException",
    "bootBoard",
    "readMemory",
  ]
  for (const name of names) expect(typeof library[name], name).toBe("function")
})
