import { answerOf, at, type Rotation, type RotationSchedule, type Versions } from "@keyhold/client";
import type { Command } from "commander";
import type { Cli } from "./cli.ts";
import { given, wholeNumber, yesOption } from "./options.ts";
import type { Column } from "./output.ts";
import { askSecret, secretOptions, type SecretOptions } from "./secret-input.ts";
import { aboutCredential, idOf, idOfGiven, nameCredential } from "./select.ts";
import { confirmDestruction } from "./terminal.ts";
import { askVenue } from "./venues.ts";

const columns: readonly Column<Rotation>[] = [
  ["rotation", ({ id }) => id],
  ["state", ({ state }) => state],
  ["versions", ({ from_version, to_version }) => `${from_version} to ${to_version}`],
  ["overlap until", ({ overlap_until }) => overlap_until],
  ["fallbacks", ({ fallbacks }) => fallbacks],
];

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

export function addRotationCommands(credential: Command, cli: Cli): void {
  for (const add of [addRotate, addRollBack, addFinish, addVersions, addSchedule]) add(credential, cli);
}

function addRotate(credential: Command, cli: Cli): void {
  secretOptions(credential.command("rotate"))
    .description("put a new secret in its place and keep the old one for an overlap; asks for the new one")
    .argument("<credential>", aboutCredential)
    .option(
      "--overlap <seconds>",
      "how long both are kept; 3600 when left out, 0 in an emergency",
      wholeNumber("whole seconds", 0, 86_400),
    )
    .option("--allow-wider", "the new key may do more than the old one")
    .action(
      async (name: string, options: SecretOptions & Readonly<{ overlap?: number; allowWider?: true }>) => {
        const { overlap, allowWider } = options;
        const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
        const { venue, revision } = await answerOf(api.GET("/api/v1/credentials/{id}", at(id)));
        const secret = await askSecret(cli, await askVenue(api, venue), options);
        const body = { secret, ...given({ overlap_seconds: overlap, allow_wider: allowWider }) };
        const change = { ...at(id, revision), body };
        cli.output.one(
          (await answerOf(api.POST("/api/v1/credentials/{id}/rotate", change))).rotation,
          columns,
        );
      },
    );
}

function addRollBack(credential: Command, cli: Cli): void {
  yesOption(credential.command("roll-back"))
    .description("put the old secret back while the overlap lasts, and destroy the new one")
    .argument("<credential>", aboutCredential)
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the new secret of ${await nameCredential(api, id)} and put the old one back?`;
      });
      const { revision } = await answerOf(api.GET("/api/v1/credentials/{id}", at(id)));
      const rolledBack = api.POST("/api/v1/credentials/{id}/rotation/rollback", at(id, revision));
      cli.output.one((await answerOf(rolledBack)).rotation, columns);
    });
}

function addFinish(credential: Command, cli: Cli): void {
  yesOption(credential.command("finish-rotation"))
    .description("end the overlap now and destroy the old secret")
    .argument("<credential>", aboutCredential)
    .option("--leave-key", "leave the old key at the venue, where Keyhold made the new one")
    .action(async (name: string, { yes, leaveKey }: Readonly<{ yes?: true; leaveKey?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the old secret of ${await nameCredential(api, id)} now?`;
      });
      const request = { ...at(id), body: { leave_key: leaveKey === true } };
      const finished = api.POST("/api/v1/credentials/{id}/rotation/finish", request);
      cli.output.one(await answerOf(finished), columns);
    });
}

function addVersions(credential: Command, cli: Cli): void {
  credential
    .command("versions")
    .description("show the versions of its secret, and who may still need the old one")
    .argument("<credential>", aboutCredential)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      showVersions(cli, await answerOf(api.GET("/api/v1/credentials/{id}/versions", at(id))));
    });
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

function addSchedule(credential: Command, cli: Cli): void {
  credential
    .command("schedule-rotation")
    .description("rotate its key at the venue every so many days, or be reminded to")
    .argument("<credential>", aboutCredential)
    .requiredOption("--every <days>", "1 to 365", wholeNumber("whole days", 1, 365))
    .option(
      "--parent <credential>",
      "a key of the main account that may manage keys of sub-accounts; without one you are reminded",
    )
    .option("--now", "for the first time now")
    .action(async (name: string, options: Readonly<{ every: number; parent?: string; now?: true }>) => {
      const { every, parent, now } = options;
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      const parent_credential_id = (await idOfGiven(cli, "credential", parent)) ?? null;
      const first = now === true ? { next_at: new Date().toISOString() } : {};
      const request = { ...at(id), body: { parent_credential_id, every_days: every, ...first } };
      const scheduled = api.PUT("/api/v1/credentials/{id}/rotation/schedule", request);
      cli.output.one(await answerOf(scheduled), scheduleColumns);
    });
  credential
    .command("rotation-schedule")
    .description("show when it is rotated next, and how the last attempt went")
    .argument("<credential>", aboutCredential)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      const schedule = api.GET("/api/v1/credentials/{id}/rotation/schedule", at(id));
      cli.output.one(await answerOf(schedule), scheduleColumns);
    });
  credential
    .command("unschedule-rotation")
    .description("end its schedule; a rotation that is under way is brought to its end")
    .argument("<credential>", aboutCredential)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      await api.DELETE("/api/v1/credentials/{id}/rotation/schedule", at(id));
      cli.output.note("it is not scheduled any more");
    });
}
