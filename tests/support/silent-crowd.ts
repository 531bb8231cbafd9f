/**
 * A process of its own that opens connections and never says a word:
 *
 *     bun tests/support/silent-crowd.ts PORT COUNT ADDRESSES
 *
 * from so many addresses of 127.0.0.0/8, 127.0.0.1 the first. Says "open" once every connection has been made.
 */
const [port = 0, count = 0, addresses = 1] = process.argv.slice(2).map(Number)

const socket = { data() {}, close() {}, error() {} }
const hostOf = (index: number): string => `127.0.${index >> 8}.${1 + (index & 255)}`

for (let begun = 0; begun < count; begun += 50) {
  const batch = Array.from({ length: Math.min(50, count - begun) }, (_, at) => {
    const localAddress = hostOf((begun + at) % addresses)
    // An option that Bun has and its types do not know.
    const from = { localAddress } as object
    // One that is made room of at once may see its end before it is open.
    return Bun.connect({ hostname: "127.0.0.1", port, ...from, socket }).catch(() => {})
  })
  await Promise.all(batch)
}
console.log("open")
// The server ends them; whoever started this ends the rest.
setInterval(() => {}, 60_000)
