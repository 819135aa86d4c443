import { existsSync } from "node:fs";
import { join } from "node:path";
import { answerOf } from "@keyhold/client";
import { type Command, InvalidArgumentError } from "commander";
import { isScope, operatorScope, scopes } from "../access/permissions.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { collect, given, narrowingOf, narrowingOptions, type NarrowingOptions } from "./options.ts";
import { isId } from "./select.ts";
import { canAsk } from "./terminal.ts";

type Options = Readonly<{
  operator?: boolean;
  tenant?: string;
  subject?: string;
  scope?: readonly string[];
  agent?: boolean;
  ttl: number;
}> &
  NarrowingOptions;

export function addTokenCommands(program: Command, cli: Cli): void {
  narrowingOptions(
    program
      .command("token")
      .description("sign a token with the key of the service on this machine")
      .option("--operator", "for the operator, who opens and suspends tenants and sees nothing inside them")
      .option("--tenant <id>", "for a member of this tenant")
      .option("--subject <name>", "who the token is for")
      .option(
        "--scope <scopes>",
        "what it may be used for; everything that the member's role gives when left out",
        collect,
      )
      .option("--agent", "for an agent, which reads and places orders, and nothing else"),
  )
    .option("--ttl <time>", "how long it lives: 900, 15m or 1h, which is the longest", parseTtl, 3600)
    .action(async (options: Options) => {
      const subject = checked(options);
      const token = await mint(cli, subject, options);
      await tryToken(cli, token, subject, options);
      cli.output.text(token, { token, expires_in: options.ttl });
    });
  program
    .command("me")
    .description("show whose token this is, and what it may do")
    .action(async () => {
      cli.output.one(await answerOf((await cli.api()).GET("/api/v1/me")), [
        ["kind", ({ kind, agent }) => (agent ? `${kind}, through an agent` : kind)],
        ["tenant", ({ tenant_id }) => tenant_id],
        ["member", ({ member_id }) => member_id],
        ["role", ({ role }) => role],
        ["scopes", ({ scopes }) => scopes],
      ]);
    });
}

/** The subject of a request that makes sense. */
function checked({ operator, tenant, subject, scope = [], agent, credential, account }: Options): string {
  const unknown = scope.find((word) => !isScope(word));
  if (unknown !== undefined) {
    throw new CliError("usage", `there is no scope ${unknown}`, { hint: `scopes are ${scopes.join(", ")}` });
  }
  if (operator === true) {
    const narrowed = credential !== undefined || account !== undefined;
    if (tenant === undefined && scope.length === 0 && agent === undefined && !narrowed)
      return subject ?? "operator";
    throw new CliError(
      "usage",
      "an operator has neither a tenant nor scopes, reaches no credential, and is no agent",
      {
        hint: "leave out --operator for a token of a member",
      },
    );
  }
  if (tenant !== undefined && !isId(tenant))
    throw new CliError("usage", `${tenant} is not the id of a tenant`, {
      hint: "`keyhold tenant list` shows the ids to the operator, `keyhold me` yours",
    });
  if (tenant !== undefined && subject !== undefined) return subject;
  throw new CliError("usage", "whose token?", {
    hint: "say --operator, or --tenant and --subject of a member",
  });
}

/**
 * Tries the token at the service, so that it is not found to be of no use later. If the service is not
 * reached, nothing is known. Throws `CliError` when the service refuses it.
 */
async function tryToken(cli: Cli, token: string, subject: string, { tenant }: Options): Promise<void> {
  const { connect, explain } = await import("./service.ts");
  const failure = await answerOf(connect(cli.environment, token).GET("/api/v1/me")).then(
    () => undefined,
    (error: unknown) => explain(error, cli.environment, token),
  );
  if (failure === undefined) return;
  if (!(failure instanceof CliError)) throw failure;
  // A person reads this, and a program that keeps the token does not.
  if (failure.failure === "unavailable" && canAsk(cli.terminal))
    cli.output.note(`${failure.message}, so the token was not tried`);
  if (failure.code !== "unauthenticated") return;
  throw new CliError("refused", "the service refuses this token", {
    hint:
      tenant === undefined
        ? "check that KEYHOLD_URL and KEYHOLD_FOLDER are of one service"
        : `check that ${subject} is an active member of tenant ${tenant}, and that KEYHOLD_URL and KEYHOLD_FOLDER are of one service`,
  });
}

async function mint({ environment }: Cli, subject: string, options: Options): Promise<string> {
  const { readConfig } = await import("../config/config.ts");
  const { access: signers, folder } = readConfig(environment);
  if (!signers.localIssuer) {
    throw new CliError("usage", "the service with these settings accepts no tokens of its own", {
      hint: "get a token from one of its issuers, or set KEYHOLD_LOCAL_ISSUER to on",
    });
  }
  const { openLocalIssuer, signingKeyName } = await import("../access/local-issuer.ts");
  if (!existsSync(join(folder, signingKeyName))) throw noServiceHere(folder);
  const issuer = await openLocalIssuer(folder);
  const { operator, tenant, scope, agent, ttl: ttlSeconds } = options;
  const request = {
    subject,
    ttlSeconds,
    ...given({ agent }),
    ...narrowingOf(options),
  };
  if (operator === true || tenant === undefined)
    return issuer.mintToken({ ...request, scopes: [operatorScope] });
  return issuer.mintToken({ ...request, tenantId: tenant, scopes: scope ?? scopes });
}

/** A key made here and now would sign tokens that no service accepts. */
function noServiceHere(folder: string): CliError {
  return new CliError("usage", `${folder} holds no signing key`, {
    hint: "start the service first, and run this in the same folder or set KEYHOLD_FOLDER",
  });
}

function parseTtl(text: string): number {
  const { count, unit = "s" } = /^(?<count>\d{1,6})(?<unit>[smh])?$/.exec(text)?.groups ?? {};
  const seconds = Number(count) * (unit === "h" ? 3600 : unit === "m" ? 60 : 1);
  if (seconds >= 1 && seconds <= 3600) return seconds;
  throw new InvalidArgumentError("A token lives from one second to one hour.");
}
