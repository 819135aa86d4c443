import type { Writable } from "node:stream";
import { styleText } from "node:util";

/** Prints what the reader sees: colours on a terminal and nowhere else. */
export type Teller = Readonly<{
  line(text?: string): void;
  /** What is about to be sent; secrets are masked. */
  sent(number: number, title: string, actor: string, request: Request): Promise<void>;
  cameBack(status: number, told: string): void;
  unexpected(status: number, answer: unknown): void;
}>;

export function createTeller(output: Writable): Teller {
  const line = (text = ""): void => void output.write(`${text}\n`);
  const shortly = (text: string): void => line(shortIds(text));
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    styleText(format, text, { stream: output });
  return {
    line,
    async sent(number, title, actor, request) {
      const { pathname, search } = new URL(request.url);
      const key = request.headers.get("idempotency-key");
      const body = await request.text();
      line(`${String(number).padStart(2)}  ${style("bold", title)}`);
      const header = key === null ? "" : ` idempotency-key: ${key}`;
      const content = body === "" ? "" : ` ${JSON.stringify(JSON.parse(body), mask)}`;
      shortly(`    ${style("dim", `${actor} →`)} ${request.method} ${pathname}${search}${header}${content}`);
    },
    cameBack(status, told) {
      const [first = "", ...rest] = told.split("\n");
      shortly(
        `    ${style("dim", "←")} ${style(status < 400 ? "green" : "yellow", String(status))} ${first}`,
      );
      for (const text of rest) line(`      ${text}`);
    },
    unexpected(status, answer) {
      line(`    ${style("dim", "←")} ${style("red", String(status))} ${JSON.stringify(answer, mask)}`);
      line(`    ${style("red", "this is not what was expected")}`);
    },
  };
}

/** The first digits tell ids of one run apart. */
function shortIds(text: string): string {
  return text.replaceAll(/\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "$1…");
}

/** For `JSON.stringify`: what stands below `secret` keeps its names and loses its values. */
function mask(name: string, value: unknown): unknown {
  if (name !== "secret" || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).map((field) => [field, "[secret]"]));
}
