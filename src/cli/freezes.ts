import type { Tenant } from "@keyhold/client";
import type { Command } from "commander";
import type { Cli } from "./cli.ts";
import type { Column } from "./output.ts";

type Frozen = Pick<Tenant, "frozen" | "freezes">;

/** Whether something is frozen, and by which freezes: who may lift each, since when it is there, and why. */
export function frozenOf({ frozen, freezes }: Frozen): string | boolean {
  return frozen && freezes.length > 0 ? `yes, ${describe(freezes)}` : frozen;
}

/** The status of a credential with its freezes. */
export function statusOf({ status, frozen, freezes }: Frozen & Readonly<{ status: string }>): string {
  return frozen ? [`${status}, frozen`, describe(freezes)].join(" ").trimEnd() : status;
}

/**
 * Adds `freeze` and `unfreeze` to the commands of a noun. `argument` and `about` are what both take, `uses`
 * is what they stop and allow.
 */
export function addFreezeCommands<T extends Frozen>(
  parent: Command,
  { output }: Cli,
  noun: Readonly<{
    argument: string;
    about: string;
    uses: string;
    columns: readonly Column<T>[];
    /** `name` is `undefined` where the argument may be left out, and was. */
    freeze(name: string | undefined, body: Readonly<{ reason?: string }>): Promise<T>;
    unfreeze(name: string | undefined): Promise<T>;
  }>,
): void {
  parent
    .command("freeze")
    .description(`stop ${noun.uses} at once`)
    .argument(noun.argument, noun.about)
    .option("--reason <text>", "kept in the record")
    .action(async (name: string | undefined, options: Readonly<{ reason?: string }>) => {
      output.one(await noun.freeze(name, options), noun.columns);
    });
  parent
    .command("unfreeze")
    .description(`allow ${noun.uses} again`)
    .argument(noun.argument, noun.about)
    .action(async (name: string | undefined) => {
      const unfrozen = await noun.unfreeze(name);
      output.one(unfrozen, noun.columns);
      if (unfrozen.freezes.length === 0) return;
      output.note(
        `It is still frozen: ${describe(unfrozen.freezes)}. Ask a member of that rank or a higher one to lift it.`,
      );
    });
}

function describe(freezes: Frozen["freezes"]): string {
  const each = freezes.map(({ rank, frozen_at, reason }) => {
    return `by ${rank} since ${frozen_at}${reason === null ? "" : ` (${reason})`}`;
  });
  return each.join("; ");
}
