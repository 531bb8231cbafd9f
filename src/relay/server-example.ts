/** A configuration of the server to begin with, every key of it explained. */
import text from "./server-example.toml" with { type: "text" }

/** The text of that file; tests/relay/server-example.test.ts holds it to what the server reads. */
export const SERVER_EXAMPLE: string = text
