import { type Command, InvalidArgumentError } from "commander";
import type { Cli } from "./cli.ts";
import type { Column } from "./output.ts";
import type { RotationSchedule } from "./shapes.ts";

const columns: readonly Column<RotationSchedule>[] = [
  ["every", ({ every_days }) => `${every_days} days`],
  ["next", ({ next_at }) => next_at],
  ["by", ({ parent_credential_id: parent }) => (parent === null ? "its owner" : `parent key ${parent}`)],
  [
    "under way",
    ({ under_way: run }) => (run === null ? null : `${run.stage}, the new key's note is ${run.note}`),
  ],
  ["failures", ({ failures }) => failures],
  [
    "last failure",
    ({ last_failure: last }) => (last === null ? null : `${last.at} ${last.reason}: ${last.message}`),
  ],
];

type ScheduleOptions = Readonly<{ every: number; parent?: string; now?: true }>;

export function addScheduleCommands(credential: Command, cli: Cli): void {
  credential
    .command("schedule-rotation")
    .description("have its key replaced at the venue so often, or be reminded to replace it")
    .argument("<credential>", "its id")
    .requiredOption("--every <days>", "1 to 365", parseDays)
    .option(
      "--parent <credential>",
      "a key of the main account that may manage keys of sub-accounts; without one you are reminded",
    )
    .option("--now", "for the first time now")
    .action(async (id: string, { every, parent, now }: ScheduleOptions) => {
      const { credentials } = await cli.api();
      const first = now === true ? { next_at: new Date().toISOString() } : {};
      const wanted = { parent_credential_id: parent ?? null, every_days: every, ...first };
      cli.output.one(await credentials.scheduleRotation(id, wanted), columns);
    });
  credential
    .command("rotation-schedule")
    .description("show when it is rotated next, and how the last attempt went")
    .argument("<credential>", "its id")
    .action(async (id: string) => {
      cli.output.one(await (await cli.api()).credentials.rotationSchedule(id), columns);
    });
  credential
    .command("unschedule-rotation")
    .description("rotate it no more by itself; what is under way is brought to its end")
    .argument("<credential>", "its id")
    .action(async (id: string) => {
      await (await cli.api()).credentials.unscheduleRotation(id);
      cli.output.note("it is not scheduled any more");
    });
}

function parseDays(text: string): number {
  const days = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (days >= 1 && days <= 365) return days;
  throw new InvalidArgumentError("Give whole days, 1 to 365.");
}
