import { answerOf, at, type Member } from "@keyhold/client";
import type { Command } from "commander";
import { isRole, type Role, roles } from "../access/permissions.ts";
import { type Cli, showList } from "./cli.ts";
import { oneOf, type PageOptions, pageOptions } from "./options.ts";
import type { Column } from "./output.ts";
import { idOf } from "./select.ts";

const columns: readonly Column<Member>[] = [
  ["id", ({ id }) => id],
  ["subject", ({ subject }) => subject],
  ["role", ({ role }) => role],
  ["status", ({ status }) => status],
  ["issuer", ({ issuer }) => issuer],
];
const about = "its id or subject";
const parseRole = oneOf(Object.keys(roles).filter(isRole));
const aboutRole = "owner, admin, trader, viewer or auditor";

export function addMemberCommands(program: Command, cli: Cli): void {
  const member = program.command("member").description("the people and programs of your tenant");
  member
    .command("add")
    .description("add a member")
    .argument("<subject>", "the subject of its tokens")
    .requiredOption("--role <role>", aboutRole, parseRole)
    .option("--issuer <issuer>", "who signs its tokens; this service itself when left out")
    .action(async (subject: string, { role, issuer }: Readonly<{ role: Role; issuer?: string }>) => {
      const { localIssuerName } = await import("../access/local-issuer.ts");
      const api = await cli.api();
      const body = { issuer: issuer ?? localIssuerName, subject, role };
      cli.output.one(await answerOf(api.POST("/api/v1/members", { body })), columns);
    });
  pageOptions(member.command("list"))
    .description("show the members that you may see")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      const read = (query: object) => answerOf(api.GET("/api/v1/members", { params: { query } }));
      await showList(cli, options, read, columns);
    });
  member
    .command("show")
    .description("show one member")
    .argument("<member>", about)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "member", name)];
      cli.output.one(await answerOf(api.GET("/api/v1/members/{id}", at(id))), columns);
    });
  addChanges(member, cli);
}

function addChanges(member: Command, cli: Cli): void {
  const change = async (name: string, body: Partial<Pick<Member, "role" | "status">>): Promise<void> => {
    const [api, id] = [await cli.api(), await idOf(cli, "member", name)];
    const { revision } = await answerOf(api.GET("/api/v1/members/{id}", at(id)));
    const changed = answerOf(api.PATCH("/api/v1/members/{id}", { ...at(id, revision), body }));
    cli.output.one(await changed, columns);
  };
  member
    .command("set-role")
    .description("give it another role, which limits what its tokens and API keys may do")
    .argument("<member>", about)
    .argument("<role>", aboutRole, parseRole)
    .action((name: string, role: Role) => change(name, { role }));
  member
    .command("suspend")
    .description("refuse its tokens and API keys until it is resumed")
    .argument("<member>", about)
    .action((name: string) => change(name, { status: "suspended" }));
  member
    .command("resume")
    .description("end a suspension")
    .argument("<member>", about)
    .action((name: string) => change(name, { status: "active" }));
}
