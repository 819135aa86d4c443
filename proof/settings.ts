import { StartError } from "../src/errors.ts";
import type { Settings } from "./proof.ts";

/** Throws `StartError` for a part that the proof does not have, and for settings that say nothing to it. */
export function refuseOthers(
  proof: string,
  { only, seconds, program }: Pick<Settings, "only" | "seconds" | "program">,
  parts: readonly string[],
): void {
  const stranger = only.find((name) => !parts.includes(name));
  if (stranger !== undefined)
    throw new StartError(`--only takes ${parts.join(", ")} for ${proof}, and not ${stranger}.`);
  if (seconds !== null) throw new StartError(`--seconds says nothing to ${proof}.`);
  if (program !== undefined) throw new StartError(`--program says nothing to ${proof}.`);
}
