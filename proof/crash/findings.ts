import type { StoreChoice } from "../ground.ts";
import type { Effect, Point } from "./effects.ts";
import type { Scenario } from "./scenarios.ts";

/** Where work was cut off. */
export type CutAt = Point & Readonly<{ store: StoreChoice; scenario: Scenario; effect: Effect["name"] }>;

/** What a use of the credential gives; `none` where there is no credential, `lost` where a use fails or gives anything else. */
export type Secret = "old" | "new" | "none" | "lost";

/** What is found for one writer whose process was killed. */
export type Found = Readonly<{
  secret: Secret;
  /** Versions that are in force, and that the credential points at. */
  inForce: number;
  /** Versions that say that they are in force. */
  current: number;
  orphans: readonly string[];
}>;

/** Work that was cut off: what was found right after the kill, and after a round of the clock. */
export type Cut = CutAt &
  Readonly<{
    before: Found;
    after: Found;
    /** Whether the same work succeeds now; `null` where it had been done. */
    repeated: boolean | null;
  }>;

/** The clock's work after a number of kills. */
export type Round = Readonly<{
  processes: number;
  seconds: number;
  /** Whether the same once more has changed anything. */
  changedAgain: boolean;
}>;

export type Findings = Readonly<{ cuts: readonly Cut[]; rounds: readonly Round[] }>;
