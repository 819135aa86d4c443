import { all, type Client, type Page } from "@keyhold/client";
import type { PageOptions } from "./options.ts";
import { type Column, createOutput, type Output } from "./output.ts";
import type { Environment } from "./service.ts";
import type { Terminal } from "./terminal.ts";

/**
 * What a command works with. The API is loaded when a command asks for it, so that `--help` does not wait for
 * it.
 */
export type Cli = Readonly<{
  terminal: Terminal;
  /** Where settings are read; the process's own when `undefined`. */
  environment: Environment | undefined;
  output: Output;
  /** Reads `KEYHOLD_URL` and `KEYHOLD_TOKEN`. Throws `StartError` or `CliError` when they are of no use. */
  api(): Promise<Client>;
}>;

export function createCli(
  terminal: Terminal,
  environment: Environment | undefined,
  asJson: () => boolean,
): Cli {
  return {
    terminal,
    environment,
    output: createOutput(terminal, asJson),
    async api() {
      const { connect } = await import("./service.ts");
      return connect(environment);
    },
  };
}

/** Shows one page of a list, or with `--all` all of them as one. */
export async function showList<T>(
  { output }: Cli,
  { limit, cursor, all: wantsAll }: PageOptions,
  read: (query: { limit?: number; cursor?: string }) => Promise<Page<T>>,
  columns: readonly Column<T>[],
): Promise<void> {
  if (wantsAll !== true) {
    const query = {
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
    };
    return output.list(await read(query), columns);
  }
  const items = await Array.fromAsync(all(read));
  output.list({ items, next_cursor: null, count: items.length }, columns);
}
