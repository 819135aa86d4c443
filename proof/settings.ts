import { StartError } from "../src/errors.ts";
import type { Settings } from "./proof.ts";

type Options = Partial<Omit<Settings, "only" | "short">> & Pick<Settings, "only">;

/** Throws `StartError` for a part that the proof does not have, and for the options among `options` that it does not take. */
export function refuseOthers(proof: string, options: Options, parts: readonly string[]): void {
  const { only, ...others } = options;
  const stranger = only.find((name) => !parts.includes(name));
  if (stranger !== undefined)
    throw new StartError(`--only takes ${parts.join(", ")} for ${proof}, and not ${stranger}.`);
  const given = Object.entries(others).find(([, value]) => value !== undefined && value !== null);
  if (given !== undefined) throw new StartError(`--${given[0]} says nothing to ${proof}.`);
}
