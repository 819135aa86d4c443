/** Where keys are today. It is read, and never changed. */
export type Source = Readonly<{
  /** Everything that it has, without its values. Throws `CliError`. */
  list(): Promise<readonly Item[]>;
}>;

/** One key of a source. */
export type Item = Readonly<{
  /** What the source calls the venue. */
  exchange: string;
  /** Where it is, as people write it. */
  path: string;
  /** The command that removes it there. It is shown, and never run. */
  removal: string;
  /** Called once, right before the values are needed. */
  read(): Promise<Held>;
}>;

/** The values, under the names that the source has for them; or why they cannot be read, as a sentence. */
export type Held =
  | Readonly<{ outcome: "found"; values: Readonly<Record<string, unknown>> }>
  | Readonly<{ outcome: "skipped" | "refused" | "unavailable"; reason: string }>;
