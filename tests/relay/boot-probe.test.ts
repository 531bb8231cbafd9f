import { expect, test } from "bun:test"
import { LineBoard } from "../../src/fake-board/line-board.ts"
import { BootProbe, PROBE_PERIOD_MS } from "../../src/relay/boot-probe.ts"
import type { Link } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function probed() {
  const clock = new FakeClock()
  const lines = new LineBoard({ clock, random: seededRandom(1), drops: new RecordingObserver() }, { booted: true })
  const answers: string[] = []
  const links: Link[] = []
  const probe = new BootProbe({
    clock,
    dialScp: () => {
      const link = lines.scp.dial()
      links.push(link)
      return link
    },
    onVersion: (version, booting) => answers.push(`${version.name} ${booting}`),
  })
  return { clock, probe, answers, links }
}

test("it asks at once and then every 250 ms, until stopped", () => {
  const { clock, probe, answers, links } = probed()
  probe.start()
  probe.start()
  clock.advance(4 * PROBE_PERIOD_MS)
  expect(answers).toEqual(Array(5).fill("SC&MP false"))
  probe.stop()
  clock.advance(10_000)
  expect(answers.length).toBe(5)
  expect(links.length).toBe(1)
  expect(clock.pending).toBe(0)
})

test("a link that fails is replaced at the next question", () => {
  const { clock, probe, answers, links } = probed()
  probe.start()
  clock.advance(0)
  links[0]!.close({ code: "failed" })
  clock.advance(PROBE_PERIOD_MS)
  expect(links.length).toBe(2)
  expect(answers.length).toBe(2)
  probe.stop()
})
