import { answerOf, at, type Client, ifMatch, type Tenant } from "@keyhold/client";
import type { Command } from "commander";
import { type Cli, showList } from "./cli.ts";
import { addFreezeCommands, frozenOf } from "./freezes.ts";
import {
  assertChange,
  contradicting,
  given,
  type PageOptions,
  pageOptions,
  wholeNumber,
  yesOption,
} from "./options.ts";
import type { Column } from "./output.ts";
import { idOf } from "./select.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<Tenant>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["status", ({ status }) => status],
  ["frozen", frozenOf],
];
const policyColumn: Column<Tenant> = ["policy", ({ policy }) => wordsOf(policy)];
const limitsColumn: Column<Tenant> = ["limits", ({ limits }) => wordsOf(limits)];
const about = "its id or name";

function wordsOf(settings: object): readonly string[] {
  return Object.entries(settings).map(([name, value]) => `${name}=${String(value)}`);
}

export function addTenantCommands(program: Command, cli: Cli): void {
  const tenant = program.command("tenant").description("tenants, their policy and their limits");
  addCreate(tenant, cli);
  pageOptions(tenant.command("list"))
    .description("show all tenants; for the operator")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      const read = (query: object) => answerOf(api.GET("/api/v1/tenants", { params: { query } }));
      await showList(cli, options, read, columns);
    });
  tenant
    .command("show")
    .description("show a tenant for the operator, or your own")
    .argument("[tenant]", `${about}; your own when left out`)
    .action(async (name: string | undefined) => {
      const api = await cli.api();
      const shown =
        name === undefined ? await ownOf(api) : await oneOfAll(api, await idOf(cli, "tenant", name));
      const isLimited = Object.keys(shown.limits).length > 0;
      cli.output.one(shown, [...columns, policyColumn, ...(isLimited ? [limitsColumn] : [])]);
    });
  addPolicy(tenant, cli);
  addOperatorsChanges(tenant, cli);
  addStates(tenant, cli);
}

function ownOf(api: Client): Promise<Tenant> {
  return answerOf(api.GET("/api/v1/tenant"));
}

function oneOfAll(api: Client, id: string): Promise<Tenant> {
  return answerOf(api.GET("/api/v1/tenants/{id}", at(id)));
}

function addCreate(tenant: Command, cli: Cli): void {
  tenant
    .command("create")
    .description("open a tenant with its first member, who owns it; for the operator")
    .argument("<name>", "what it is called")
    .requiredOption("--owner <subject>", "the subject of the owner's tokens")
    .option("--issuer <issuer>", "who signs the owner's tokens; this service itself when left out")
    .action(
      async (name: string, { owner: subject, issuer }: Readonly<{ owner: string; issuer?: string }>) => {
        const { localIssuerName } = await import("../access/local-issuer.ts");
        const api = await cli.api();
        const body = { name, owner: { issuer: issuer ?? localIssuerName, subject } };
        cli.output.one(await answerOf(api.POST("/api/v1/tenants", { body })), [
          ["tenant", ({ tenant }) => tenant.id],
          ["name", ({ tenant }) => tenant.name],
          ["owner", ({ owner_id }) => owner_id],
        ]);
      },
    );
}

type PolicyOptions = Readonly<{
  allowWithdraw?: boolean;
  allowUnknownPermissions?: boolean;
  allowDeferred?: boolean;
  allowUnproven?: boolean;
  checkMinutes?: number;
}>;

function addPolicy(tenant: Command, cli: Cli): void {
  const setPolicy = tenant.command("set-policy").description("change which credentials your tenant accepts");
  const rules = [
    ["allow-withdraw", "credentials that can withdraw"],
    ["allow-unknown-permissions", "credentials whose permissions the venue does not report"],
    ["allow-deferred", "credentials before the venue was asked about them"],
    ["allow-unproven", "credentials of venues that cannot prove a key"],
  ] as const;
  for (const [name, which] of rules) {
    contradicting(setPolicy, name, `no-${name}`)
      .option(`--${name}`, `accept ${which}`)
      .option(`--no-${name}`, `refuse ${which}`);
  }
  setPolicy
    .option(
      "--check-minutes <minutes>",
      "how often the venue is asked about each active credential",
      wholeNumber("whole minutes", 15, 1440),
    )
    .action(async (options: PolicyOptions) => {
      const policy = given({
        allow_withdraw: options.allowWithdraw,
        allow_unknown_permissions: options.allowUnknownPermissions,
        allow_deferred: options.allowDeferred,
        allow_unproven: options.allowUnproven,
        check_minutes: options.checkMinutes,
      });
      assertChange(policy);
      const api = await cli.api();
      const { revision } = await ownOf(api);
      const change = { params: { header: ifMatch(revision) }, body: { policy } };
      cli.output.one(await answerOf(api.PATCH("/api/v1/tenant", change)), [...columns, policyColumn]);
    });
}

function addOperatorsChanges(tenant: Command, cli: Cli): void {
  const change = async (name: string, body: object): Promise<void> => {
    const [api, id] = [await cli.api(), await idOf(cli, "tenant", name)];
    const { revision } = await oneOfAll(api, id);
    const changed = await answerOf(api.PATCH("/api/v1/tenants/{id}", { ...at(id, revision), body }));
    cli.output.one(changed, [...columns, limitsColumn]);
  };
  const perMinute = wholeNumber("a whole number", 1, 100_000_000);
  tenant
    .command("set-limits")
    .description("change how much a tenant may send in a minute; for the operator")
    .argument("<tenant>", about)
    .option("--requests <number>", "requests of any kind", perMinute)
    .option("--reveals <number>", "reveals of each member", perMinute)
    .option("--invokes <number>", "operations at venues of each member", perMinute)
    .action((name: string, options: Readonly<{ requests?: number; reveals?: number; invokes?: number }>) => {
      const { requests, reveals, invokes } = options;
      const limits = given({
        requests_per_minute: requests,
        reveals_per_minute: reveals,
        invokes_per_minute: invokes,
      });
      assertChange(limits);
      return change(name, { limits });
    });
  tenant
    .command("rename")
    .description("give a tenant another name; for the operator")
    .argument("<tenant>", about)
    .argument("<name>", "what it is called from now on")
    .action((old: string, name: string) => change(old, { name }));
  yesOption(tenant.command("delete"))
    .description("end a tenant: destroy all its secrets and refuse its members for good; for the operator")
    .argument("<tenant>", about)
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "tenant", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        return `End the tenant "${(await oneOfAll(api, id)).name}" for good, with every secret in it?`;
      });
      cli.output.one(await answerOf(api.DELETE("/api/v1/tenants/{id}", at(id))), columns);
    });
}

function addStates(tenant: Command, cli: Cli): void {
  tenant
    .command("suspend")
    .description("refuse all members of a tenant, and every use of its credentials; for the operator")
    .argument("<tenant>", about)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "tenant", name)];
      cli.output.one(await answerOf(api.POST("/api/v1/tenants/{id}/suspend", at(id))), columns);
    });
  tenant
    .command("resume")
    .description("end a suspension; for the operator")
    .argument("<tenant>", about)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "tenant", name)];
      cli.output.one(await answerOf(api.POST("/api/v1/tenants/{id}/resume", at(id))), columns);
    });
  addFreezeCommands(tenant, cli, {
    argument: "[tenant]",
    about: `${about}, for the operator; your own when left out`,
    uses: "every use of a tenant's credentials",
    columns,
    async freeze(name, body) {
      const api = await cli.api();
      if (name === undefined) return answerOf(api.POST("/api/v1/tenant/freeze", { body }));
      const id = await idOf(cli, "tenant", name);
      return answerOf(api.POST("/api/v1/tenants/{id}/freeze", { ...at(id), body }));
    },
    async unfreeze(name) {
      const api = await cli.api();
      if (name === undefined) return answerOf(api.POST("/api/v1/tenant/unfreeze"));
      const id = await idOf(cli, "tenant", name);
      return answerOf(api.POST("/api/v1/tenants/{id}/unfreeze", at(id)));
    },
  });
}
