/** Beside the client: which of the server's words about boards in use are worth a line. The server repeats itself. */
import { decodeLeaseNews, type LeaseNews } from "../protocol/lease-news.ts"
import { MAX_BOARDS } from "./board-list.ts"

/** The same is said again after this, milliseconds. */
export const SAME_NEWS_MS = 30_000

/** What was last said of each board. */
export class LeaseLines {
  readonly #said = new Map<string, { gist: string; at: number }>()

  /** The news in `payload` if it is worth a line now; "malformed" if it is none. */
  heard(board: string, payload: Uint8Array, now: number): LeaseNews | "malformed" | undefined {
    const news = decodeLeaseNews(payload)
    if (!news) return "malformed"
    const gist = gistOf(news)
    const last = this.#said.get(board)
    if (last?.gist === gist && now - last.at < SAME_NEWS_MS) return undefined
    this.#said.delete(board)
    for (const oldest of this.#said.keys()) {
      if (this.#said.size < MAX_BOARDS) break
      this.#said.delete(oldest)
    }
    this.#said.set(board, { gist, at: now })
    return news
  }
}

/** All that matters but the idle time. */
function gistOf(news: LeaseNews): string {
  return "by" in news ? `${news.state} ${news.waitingAhead} ${news.by}` : news.state
}
