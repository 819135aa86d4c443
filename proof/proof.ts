/** What the command line says. Each proof takes what it knows, and refuses the rest. */
export type Settings = Readonly<{
  /** Parts of the proof by name; all when empty. */
  only: readonly string[];
  /** As few repetitions as still show something. */
  short: boolean;
  seconds: number | null;
  kills: number | null;
  /** Decides what chance decides. */
  seed: number | null;
  program: string | undefined;
  /** An older commit in place of this version. */
  against: string | undefined;
}>;

/** What a proof is given to work with. */
export type Stage = Readonly<{
  settings: Settings;
  /** Told what is under way. */
  say: (line: string) => void;
  /** Takes the end of everything that is started. */
  undo: AsyncDisposableStack;
}>;

/** A promise of Keyhold's: how often it was put to the test, and how often it did not hold. */
export type Promised = Readonly<{ text: string; tried: number; broken: number }>;

/** A deliberately wrong build under the same test, and the promise that it has to break. */
export type Control = Readonly<{ build: string; promise: Promised }>;

export type Report = Readonly<{
  title: string;
  /** What it was done with. */
  facts: readonly string[];
  /** As text, for people. */
  tables: readonly string[];
  promises: readonly Promised[];
  controls: readonly Control[];
  /** Everything of the tables, for programs. */
  data: object;
}>;

/** Puts promises of Keyhold's to the test. Throws `StartError` for settings that it does not take. */
export type Proof = (stage: Stage) => Promise<Report>;

/** A promise that was never put to the test has not held. */
export function held({ tried, broken }: Promised): boolean {
  return tried > 0 && broken === 0;
}

/** A control that finds nothing wrong has failed: what it watches would not be noticed. */
export function fired({ promise }: Control): boolean {
  return promise.broken > 0;
}

export function succeeded({ promises, controls }: Report): boolean {
  return promises.every(held) && controls.every(fired);
}
