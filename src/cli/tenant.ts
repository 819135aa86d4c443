import type { Command } from "commander";
import { type Cli, type PageOptions, pageOptions } from "./cli.ts";
import { frozenOf, noteWhatIsLeft } from "./freezes.ts";
import type { Column } from "./output.ts";
import type { Tenant } from "./shapes.ts";

const columns: readonly Column<Tenant>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["status", ({ status }) => status],
  ["frozen", frozenOf],
];
const policyColumn: Column<Tenant> = [
  "policy",
  ({ policy }) => Object.entries(policy).map(([name, value]) => `${name}=${String(value)}`),
];

export function addTenantCommands(program: Command, cli: Cli): void {
  const tenant = program.command("tenant").description("open, suspend and show tenants");
  addCreate(tenant, cli);
  pageOptions(tenant.command("list"))
    .description("show all tenants; for the operator")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      cli.output.list(await api.tenants.list({ ...options }), columns);
    });
  tenant
    .command("show")
    .description("show a tenant for the operator, or your own")
    .argument("[tenant]", "its id; your own when left out")
    .action(async (id: string | undefined) => {
      const { tenants } = await cli.api();
      cli.output.one(await (id === undefined ? tenants.own() : tenants.show(id)), [...columns, policyColumn]);
    });
  addStates(tenant, cli);
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
        const created = await api.tenants.create({
          name,
          owner: { issuer: issuer ?? localIssuerName, subject },
        });
        cli.output.one(created, [
          ["tenant", ({ tenant }) => tenant.id],
          ["name", ({ tenant }) => tenant.name],
          ["owner", ({ owner_id }) => owner_id],
        ]);
      },
    );
}

function addStates(tenant: Command, cli: Cli): void {
  tenant
    .command("suspend")
    .description("let nobody of a tenant in, and use none of its credentials; for the operator")
    .argument("<tenant>", "its id")
    .action(async (id: string) => cli.output.one(await (await cli.api()).tenants.suspend(id), columns));
  tenant
    .command("resume")
    .description("end a suspension; for the operator")
    .argument("<tenant>", "its id")
    .action(async (id: string) => cli.output.one(await (await cli.api()).tenants.resume(id), columns));
  tenant
    .command("freeze")
    .description("stop every use of a tenant's credentials at once")
    .argument("[tenant]", "its id, for the operator; your own when left out")
    .option("--reason <text>", "for the record")
    .action(async (id: string | undefined, { reason }: Readonly<{ reason?: string }>) => {
      const api = await cli.api();
      cli.output.one(await api.tenants.freeze(id, { reason }), columns);
    });
  tenant
    .command("unfreeze")
    .description("allow the use of a tenant's credentials again")
    .argument("[tenant]", "its id, for the operator; your own when left out")
    .action(async (id: string | undefined) => {
      const unfrozen = await (await cli.api()).tenants.unfreeze(id);
      cli.output.one(unfrozen, columns);
      noteWhatIsLeft(cli, unfrozen);
    });
}
