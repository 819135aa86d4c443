import { Command } from "commander";
import { version } from "../version.ts";
import { addAccountCommands } from "./account.ts";
import { addApiKeyCommands } from "./api-key.ts";
import { addAuditCommands } from "./audit.ts";
import type { Cli, Environment } from "./cli.ts";
import { addCredentialCommands } from "./credential.ts";
import { exitCodes, report } from "./errors.ts";
import { addImportCommands } from "./import.ts";
import { addHealthCommands } from "./health.ts";
import { addInvokeCommand } from "./invoke.ts";
import { addKeyCommands } from "./keys.ts";
import { addMemberCommands } from "./member.ts";
import { createOutput } from "./output.ts";
import { addOperatorKeyCommands } from "./operator-key.ts";
import { refuseSecretOptions } from "./secret-input.ts";
import { addServeCommand } from "./serve.ts";
import { addTenantCommands } from "./tenant.ts";
import { addStoreCommands } from "./store.ts";
import type { Terminal } from "./terminal.ts";
import { addVenuesCommand } from "./venues.ts";
import { addWebhookCommands } from "./webhook.ts";
import { addMeCommand, addTokenCommand } from "./token.ts";

const afterHelp = `
Environment:
  KEYHOLD_URL     the service, http://127.0.0.1:7070 when not set
  KEYHOLD_TOKEN   a token or an API key

Exit codes:
  ${exitCodes.done}  done
  ${exitCodes.refused}  refused: by the service, by the venue, or a record that does not hold
  ${exitCodes.usage}  the command line or the environment is wrong; nothing was sent
  ${exitCodes.unavailable}  the service or the venue could not be asked; try again
  ${exitCodes.unknown}  an order may have been placed; repeat with the same --idempotency-key
`;

/** Runs one command and answers with its exit code. Never throws. */
export async function run(
  argv: readonly string[],
  terminal: Terminal,
  environment?: Environment,
): Promise<number> {
  try {
    refuseSecretOptions(argv);
    const program = createProgram(terminal, environment);
    await program.parseAsync(argv, { from: "user" });
    return exitCodes.done;
  } catch (error) {
    return report(terminal, error);
  }
}

function createProgram(terminal: Terminal, environment: Environment | undefined): Command {
  const program = new Command("keyhold")
    .description("Keeps the API credentials of trading venues: validates, seals, uses and records them.")
    .version(version())
    .option("--json", "print what the service answered, for programs")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.output.write(text),
      writeErr: (text) => terminal.notes.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "keyhold: ")),
    })
    .showHelpAfterError("hint: `--help` after any command shows what it takes")
    .exitOverride()
    .addHelpText("after", afterHelp);
  const output = createOutput(terminal, () => program.opts<{ json?: true }>().json === true);
  const cli: Cli = {
    terminal,
    environment,
    output,
    async api() {
      const [{ createApi }, { createClient }] = await Promise.all([
        import("./api.ts"),
        import("./client.ts"),
      ]);
      return createApi(createClient(environment));
    },
  };
  for (const add of groups) add(program, cli);
  return program;
}

const groups: readonly ((program: Command, cli: Cli) => void)[] = [
  addServeCommand,
  addTokenCommand,
  addMeCommand,
  addTenantCommands,
  addMemberCommands,
  addAccountCommands,
  addApiKeyCommands,
  addVenuesCommand,
  addCredentialCommands,
  addImportCommands,
  addInvokeCommand,
  addWebhookCommands,
  addHealthCommands,
  addAuditCommands,
  addKeyCommands,
  addOperatorKeyCommands,
  addStoreCommands,
];
