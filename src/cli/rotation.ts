import { type Command, InvalidArgumentError } from "commander";
import { askSecret, secretOptions, type SecretOptions } from "./ask-secret.ts";
import type { Cli } from "./cli.ts";
import { nameCredential } from "./name-credential.ts";
import type { Column } from "./output.ts";
import type { Rotation, Versions, RotationSchedule } from "./shapes.ts";
import { findVenue } from "./venues.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<Rotation>[] = [
  ["rotation", ({ id }) => id],
  ["state", ({ state }) => state],
  ["versions", ({ from_version, to_version }) => `${from_version} to ${to_version}`],
  ["overlap until", ({ overlap_until }) => overlap_until],
  ["fallbacks", ({ fallbacks }) => fallbacks],
];

type RotateOptions = SecretOptions & Readonly<{ overlap?: number; allowWider?: true }>;

export function addRotationCommands(credential: Command, cli: Cli): void {
  for (const add of [addRotate, addRollBack, addFinish, addVersions]) add(credential, cli);
}

function addRotate(credential: Command, cli: Cli): void {
  secretOptions(credential.command("rotate"))
    .description("put a new secret in its place and keep the old one for an overlap; asks for the new one")
    .argument("<credential>", "its id")
    .option(
      "--overlap <seconds>",
      "how long both are kept; 3600 when left out, 0 in an emergency",
      parseSeconds,
    )
    .option("--allow-wider", "the new key may do more than the old one")
    .action(async (id: string, { overlap, allowWider, ...options }: RotateOptions) => {
      const api = await cli.api();
      const { venue, revision } = await api.credentials.show(id);
      const secret = await askSecret(cli, findVenue((await api.venues()).items, venue), options);
      const { rotation } = await api.credentials.rotate(id, revision, {
        secret,
        ...(overlap === undefined ? {} : { overlap_seconds: overlap }),
        ...(allowWider === undefined ? {} : { allow_wider: true }),
      });
      cli.output.one(rotation, columns);
    });
}

function addRollBack(credential: Command, cli: Cli): void {
  credential
    .command("roll-back")
    .description("put the old secret back while the overlap lasts, and destroy the new one")
    .argument("<credential>", "its id")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the new secret of ${await nameCredential(api, id)} and put the old one back?`;
      });
      const { credentials } = api;
      const { revision } = await credentials.show(id);
      cli.output.one((await credentials.rollBack(id, revision)).rotation, columns);
    });
}

function addFinish(credential: Command, cli: Cli): void {
  credential
    .command("finish-rotation")
    .description("end the overlap now and destroy the old secret")
    .argument("<credential>", "its id")
    .option("--leave-key", "leave the old key at the venue, where Keyhold made the new one")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes, leaveKey }: Readonly<{ yes?: true; leaveKey?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the old secret of ${await nameCredential(api, id)} now?`;
      });
      cli.output.one(await api.credentials.finishRotation(id, { leave_key: leaveKey === true }), columns);
    });
}

function addVersions(credential: Command, cli: Cli): void {
  credential
    .command("versions")
    .description("show the versions of its secret, and who may still need the old one")
    .argument("<credential>", "its id")
    .action(async (id: string) => showVersions(cli, await (await cli.api()).credentials.versions(id)));
}

function showVersions({ output }: Cli, versions: Versions): void {
  const { items, rotation, old_version_uses: uses } = versions;
  output.list({ ...versions, next_cursor: null, count: items.length }, [
    ["version", ({ version }) => version],
    ["state", ({ state }) => state],
    ["uses", ({ uses }) => uses],
    ["store", ({ store }) => store],
    ["created", ({ created_at }) => created_at],
    ["destroyed", ({ destroyed_at }) => destroyed_at],
  ]);
  if (rotation?.state !== "overlap") return;
  output.note(
    `both versions are kept until ${rotation.overlap_until}; fallbacks so far: ${rotation.fallbacks}`,
  );
  for (const { actor, how, count, last_at, has_new } of uses) {
    const since = has_new ? ", who has got the new one since" : "";
    output.note(`${how} ${count} times, last at ${last_at}, by ${JSON.stringify(actor)}${since}`);
  }
}

function parseSeconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give whole seconds, at most a day.");
}

const scheduleColumns: readonly Column<RotationSchedule>[] = [
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
      cli.output.one(await credentials.scheduleRotation(id, wanted), scheduleColumns);
    });
  credential
    .command("rotation-schedule")
    .description("show when it is rotated next, and how the last attempt went")
    .argument("<credential>", "its id")
    .action(async (id: string) => {
      cli.output.one(await (await cli.api()).credentials.rotationSchedule(id), scheduleColumns);
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
