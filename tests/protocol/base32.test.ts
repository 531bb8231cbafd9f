import { expect, test } from "bun:test"
import { decodeBase32, encodeBase32 } from "../../src/protocol/base32.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { randomBytes, utf8 } from "../support/fuzz.ts"

// RFC 4648 section 10, without padding and in small letters.
test.each([
  ["", ""],
  ["f", "my"],
  ["fo", "mzxq"],
  ["foo", "mzxw6"],
  ["foob", "mzxw6yq"],
  ["fooba", "mzxw6ytb"],
  ["foobar", "mzxw6ytboi"],
])("%j is %j", (plain, letters) => {
  expect(encodeBase32(utf8(plain))).toBe(letters)
  expect(decodeBase32(letters)).toEqual(utf8(plain))
  expect(decodeBase32(letters.toUpperCase())).toEqual(utf8(plain))
})

test("any bytes come back", () => {
  const random = seededRandom(32)
  for (let length = 0; length < 200; length++) {
    const bytes = randomBytes(random, length)
    expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes)
  }
})

test.each(["0", "1", "a8", "a=", "a b", "ä"])("%j is no base32", (text) => expect(decodeBase32(text)).toBeUndefined())
