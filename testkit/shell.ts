import { type Ran, runCli } from "./cli.ts";

/**
 * Somebody at a shell with a token. What the commands print is told with names in place of what differs from run to run: ids that
 * were named, other ids, times.
 */
export class Shell {
  readonly #environment: Readonly<Record<string, string>>;
  readonly #names = new Map<string, string>();
  readonly #printed: string[] = [];

  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
  }

  /** Everything that was printed, but by `reveal`. */
  get printed(): string {
    return this.#printed.join("");
  }

  name(id: string, name: string): string {
    this.#names.set(id, name);
    return id;
  }

  /** Runs `keyhold` with these arguments; `token` stands in KEYHOLD_TOKEN. */
  async run(token: string, argv: readonly string[], input?: string): Promise<Ran> {
    const environment = { ...this.#environment, KEYHOLD_TOKEN: token };
    const ran = await runCli(argv, { environment, ...(input === undefined ? {} : { input }) });
    if (!argv.includes("reveal")) this.#printed.push(ran.output, ran.notes);
    return ran;
  }

  /** Runs a command line and answers with what it printed, as a reader would see it, and its exit code where that is not 0. */
  async transcript(token: string, line: string, input?: string): Promise<string> {
    const { code, output, notes } = await this.run(token, split(line), input);
    return this.#told(output + notes + (code === 0 ? "" : `[exit ${code}]\n`));
  }

  /** Runs a command with `--json` and answers with the field of this name. */
  async field(token: string, line: string, field: string, input?: string): Promise<string> {
    const { code, output, notes } = await this.run(token, [...split(line), "--json"], input);
    if (code !== 0) throw new Error(`keyhold ${line}: ${notes}`);
    const value = new RegExp(`"${field}": "([^"]+)"`).exec(output)?.[1];
    if (value === undefined) throw new Error(`keyhold ${line} printed no ${field}: ${output}`);
    return value;
  }

  #told(text: string): string {
    let told = text;
    for (const [id, name] of this.#names) told = told.replaceAll(id, name);
    return told
      .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "ID")
      .replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replaceAll(/\b[0-9a-f]{32,64}\b/g, "HEX")
      .replaceAll(/[ ]{2,}/g, "  ")
      .trimEnd();
  }
}

/** Words of a command line; single quotes hold spaces together. */
function split(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");
}
