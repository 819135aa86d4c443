import {
  answerOf,
  at,
  type Credential,
  type CredentialUpdate,
  type NewCredential,
  type Validation,
} from "@keyhold/client";
import type { Command } from "commander";
import { statuses } from "../credentials/credential.ts";
import { environments, operationClasses } from "../venues/venue.ts";
import { type Cli, showList } from "./cli.ts";
import { CliError, hintFor } from "./errors.ts";
import { addFreezeCommands, statusOf } from "./freezes.ts";
import { addHealthCommand } from "./health.ts";
import {
  assertChange,
  contradicting,
  given,
  oneOf,
  type PageOptions,
  pageOptions,
  parseExpiry,
  severalOf,
  yesOption,
} from "./options.ts";
import type { Column } from "./output.ts";
import { addRotationCommands } from "./rotation.ts";
import { askSecret, secretOptions, type SecretOptions } from "./secret-input.ts";
import { aboutCredential, idOf, idOfGiven, nameCredential } from "./select.ts";
import { canAsk, confirm, confirmDestruction } from "./terminal.ts";
import { askVenue } from "./venues.ts";

const listColumns: readonly Column<Credential>[] = [
  ["id", ({ id }) => id],
  ["venue", ({ venue }) => venue],
  ["environment", ({ environment }) => environment],
  ["label", ({ label }) => label],
  ["status", ({ status, frozen }) => (frozen ? `${status}, frozen` : status)],
  ["may", ({ permissions }) => mayOf(permissions)],
  ["health", ({ health }) => health],
];
const columns: readonly Column<Credential>[] = [
  ...listColumns.map(([heading, cell]): Column<Credential> => [
    heading,
    heading === "status" ? statusOf : cell,
  ]),
  ["message", ({ health_message }) => health_message],
  ["account", ({ account_id }) => account_id],
  ["policy", ({ policy }) => [...policy.allow, ...(policy.reveal ? ["reveal"] : [])]],
  ["validated", ({ last_validated_at }) => last_validated_at],
  ["expires", ({ expires_at }) => expires_at],
  ["revision", ({ revision }) => revision],
];
const validationColumns: readonly Column<Validation>[] = [
  ["valid", ({ is_valid }) => (is_valid === null ? "unknown" : is_valid)],
  ["outcome", ({ outcome }) => outcome],
  ["message", ({ message }) => message],
  ["may", ({ permissions }) => mayOf(permissions)],
  [
    "account",
    ({ account_type, account_status }) => [account_type, account_status].filter((it) => it !== null),
  ],
];

/** What the venue says that the key may do; a question mark where it does not say. */
function mayOf(permissions: Credential["permissions"]): readonly string[] {
  if (permissions === null) return [];
  return (["read", "trade", "transfer", "withdraw"] as const).flatMap((name) => {
    if (permissions[name] === "yes") return [name];
    return permissions[name] === "unknown" ? [`${name}?`] : [];
  });
}

export function addCredentialCommands(program: Command, cli: Cli): void {
  const credential = program.command("credential").description("keys of trading venues");
  addRegister(credential, cli);
  addReaders(credential, cli);
  addValidate(credential, cli);
  addReveal(credential, cli);
  addUpdate(credential, cli);
  addReplace(credential, cli);
  addRotationCommands(credential, cli);
  addHealthCommand(credential, cli);
  addFreeze(credential, cli);
  addEnds(credential, cli);
}

type PolicyOptions = Readonly<Pick<NonNullable<NewCredential["policy"]>, "allow" | "reveal">>;
export type RegisterOptions = PolicyOptions &
  Readonly<{
    account: string;
    environment: NewCredential["environment"];
    label?: string;
    expires?: string;
    deferred?: true;
  }>;

/** The options that `register` and `import` share. */
export function registerOptions(command: Command, many: boolean): Command {
  const [it, same] = many ? ["them", "; the same for all of them"] : ["it", ""];
  return command
    .requiredOption(
      "--account <account>",
      `the account that ${many ? "they will belong" : "it belongs"} to, by id or name`,
    )
    .option("--environment <name>", `live, paper or testnet${same}`, oneOf(environments), "live")
    .option(
      "--label <label>",
      many ? "the same for all of them" : "distinguishes several of one account, venue and environment",
    )
    .option(
      "--allow <classes>",
      "what invoke may do: read, trade, transfer, withdraw; read when left out",
      severalOf(operationClasses),
    )
    .option("--reveal", "the plaintext may be revealed")
    .option("--deferred", `keep ${it} although the venue${many ? "s" : ""} cannot be asked now`);
}

function addRegister(credential: Command, cli: Cli): void {
  secretOptions(registerOptions(credential.command("register"), false))
    .description("ask the venue whether a key works, and keep it; asks for the secret")
    .argument("<venue>", "`keyhold venues` lists them")
    .option("--expires <time>", "when its use ends, such as 2026-12-31 or 90d", parseExpiry)
    .action(async (name: string, options: RegisterOptions & SecretOptions) => {
      const api = await cli.api();
      const venue = await askVenue(api, name);
      const registration = await registrationOf(cli, options);
      const body = { venue: venue.id, ...registration, secret: await askSecret(cli, venue, options) };
      cli.output.one(await answerOf(api.POST("/api/v1/credentials", { body })), columns);
    });
}

/** What a registration has beside the venue and the secret. */
export async function registrationOf(
  cli: Cli,
  options: RegisterOptions,
): Promise<Omit<NewCredential, "venue" | "secret">> {
  const { account, environment, label, expires, deferred } = options;
  return {
    account_id: await idOf(cli, "account", account),
    environment,
    ...given({ label, policy: policyOf(options), expires_at: expires }),
    ...(deferred === undefined ? {} : { validation: "deferred" }),
  };
}

function policyOf({ allow, reveal }: PolicyOptions) {
  return allow === undefined && reveal === undefined ? undefined : given({ allow, reveal });
}

type ListOptions = PageOptions &
  Readonly<{ account?: string }> &
  Partial<Pick<Credential, "venue" | "environment" | "status" | "label">>;

function addReaders(credential: Command, cli: Cli): void {
  pageOptions(credential.command("list"))
    .description("show the credentials that you may see, newest first; never their secrets")
    .option("--account <account>", "of this account, by id or name")
    .option("--venue <venue>", "of this venue")
    .option("--environment <name>", "live, paper or testnet", oneOf(environments))
    .option("--status <status>", "pending, active, inactive, invalid, expired or revoked", oneOf(statuses))
    .option("--label <label>", "of this label")
    .action(async (options: ListOptions) => {
      const { account, venue, environment, status, label } = options;
      const account_id = await idOfGiven(cli, "account", account);
      const filter = given({ account_id, venue, environment, status, label });
      const api = await cli.api();
      const read = (page: object) =>
        answerOf(api.GET("/api/v1/credentials", { params: { query: { ...filter, ...page } } }));
      await showList(cli, options, read, listColumns);
    });
  credential
    .command("show")
    .description("show one credential; never its secret")
    .argument("<credential>", aboutCredential)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      cli.output.one(await answerOf(api.GET("/api/v1/credentials/{id}", at(id))), columns);
    });
}

function addValidate(credential: Command, cli: Cli): void {
  const ends = "exits with 1 when it refuses and with 3 when it could not be asked";
  credential
    .command("validate")
    .description(`ask the venue about a credential; ${ends}`)
    .argument("<credential>", aboutCredential)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      showValidation(cli, await answerOf(api.POST("/api/v1/credentials/{id}/validate", at(id))));
    });
  secretOptions(credential.command("validate-secret"))
    .description(`ask the venue about a key that is not kept; asks for the secret, and ${ends}`)
    .argument("<venue>", "`keyhold venues` lists them")
    .option("--environment <name>", "live, paper or testnet", oneOf(environments), "live")
    .action(async (name: string, options: Pick<RegisterOptions, "environment"> & SecretOptions) => {
      const api = await cli.api();
      const venue = await askVenue(api, name);
      const secret = await askSecret(cli, venue, options);
      const body = { venue: venue.id, environment: options.environment, secret };
      showValidation(cli, await answerOf(api.POST("/api/v1/credentials/validate", { body })));
    });
}

/** Throws `CliError` unless the venue has accepted the key. */
function showValidation({ output }: Cli, validation: Validation): void {
  output.one(validation, validationColumns);
  if (validation.is_valid === false)
    throw new CliError("refused", "the venue does not accept the credential");
  if (validation.is_valid === null) {
    throw new CliError("unavailable", "the venue gave no clear answer", {
      hint: hintFor("venue_unavailable", validation.outcome),
    });
  }
}

function addReveal(credential: Command, cli: Cli): void {
  credential
    .command("reveal")
    .description("print the plaintext, as JSON; the record keeps that you did and why")
    .argument("<credential>", aboutCredential)
    .requiredOption("--reason <text>", "kept in the record")
    .option("--yes", "do not ask")
    .action(async (name: string, { reason, yes }: Readonly<{ reason: string; yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      if (yes !== true && canAsk(cli.terminal))
        await confirm(cli.terminal, `Reveal the secret of ${await nameCredential(api, id)}?`);
      const request = { ...at(id), body: { reason }, parseAs: "arrayBuffer" } as const;
      // As text it would stay in memory.
      const bytes = new Uint8Array(await answerOf(api.POST("/api/v1/credentials/{id}/reveal", request)));
      cli.terminal.output.write(bytes);
      cli.terminal.output.write("\n", () => bytes.fill(0));
    });
}

function addUpdate(credential: Command, cli: Cli): void {
  const update = credential.command("update");
  contradicting(update, "activate", "deactivate");
  contradicting(update, "reveal", "no-reveal");
  update
    .description("change label, policy or expiry, or switch on and off")
    .argument("<credential>", aboutCredential)
    .option("--label <label>", "the new label")
    .option(
      "--allow <classes>",
      "what invoke may do from now on: read, trade, transfer, withdraw",
      severalOf(operationClasses),
    )
    .option("--reveal", "the plaintext may be revealed")
    .option("--no-reveal", "the plaintext may not be revealed")
    .option("--activate", "switch on, if the venue says that the key works")
    .option("--deactivate", "switch off")
    .option("--expires <time>", "when its use ends, such as 2026-12-31 or 90d, or never", (text) =>
      text === "never" ? text : parseExpiry(text),
    )
    .action(async (name: string, options: Parameters<typeof updateOf>[0]) => {
      const body = updateOf(options);
      assertChange(body);
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      const { revision } = await answerOf(api.GET("/api/v1/credentials/{id}", at(id)));
      const change = { ...at(id, revision), body };
      cli.output.one(await answerOf(api.PATCH("/api/v1/credentials/{id}", change)), columns);
    });
}

function updateOf(
  options: PolicyOptions & Readonly<{ label?: string; activate?: true; deactivate?: true; expires?: string }>,
): CredentialUpdate {
  const { label, activate, deactivate, expires } = options;
  return {
    ...given({ label, policy: policyOf(options), active: activate }),
    ...(deactivate === undefined ? {} : { active: false }),
    ...(expires === undefined ? {} : { expires_at: expires === "never" ? null : expires }),
  };
}

function addReplace(credential: Command, cli: Cli): void {
  secretOptions(credential.command("replace"))
    .description("replace the secret at once, after the venue has accepted the new one; prompts for it")
    .argument("<credential>", aboutCredential)
    .action(async (name: string, options: SecretOptions) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      const { venue, revision } = await answerOf(api.GET("/api/v1/credentials/{id}", at(id)));
      const secret = await askSecret(cli, await askVenue(api, venue), options);
      const change = { ...at(id, revision), body: { secret } };
      cli.output.one(await answerOf(api.PUT("/api/v1/credentials/{id}/secret", change)), columns);
    });
}

function addFreeze(credential: Command, cli: Cli): void {
  addFreezeCommands(credential, cli, {
    argument: "<credential>",
    about: aboutCredential,
    uses: "every use",
    columns,
    async freeze(name: string, body) {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      return answerOf(api.POST("/api/v1/credentials/{id}/freeze", { ...at(id), body }));
    },
    async unfreeze(name: string) {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      return answerOf(api.POST("/api/v1/credentials/{id}/unfreeze", at(id)));
    },
  });
}

function addEnds(credential: Command, cli: Cli): void {
  yesOption(credential.command("revoke"))
    .description("destroy the secret for good and keep what is known of it")
    .argument("<credential>", aboutCredential)
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the secret of ${await nameCredential(api, id)} for good?`;
      });
      cli.output.one(await answerOf(api.POST("/api/v1/credentials/{id}/revoke", at(id))), columns);
    });
  yesOption(credential.command("delete"))
    .description("destroy the secret and take the credential out of every list")
    .argument("<credential>", aboutCredential)
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Destroy the secret of ${await nameCredential(api, id)} and remove the credential?`;
      });
      await api.DELETE("/api/v1/credentials/{id}", at(id));
      cli.output.text(`${id} is deleted`, { id, deleted: true });
    });
}
