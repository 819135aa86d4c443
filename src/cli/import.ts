import type { Command } from "commander";
import type { Cli } from "./cli.ts";
import { registerOptions } from "./credential.ts";
import { defaultPath } from "./import/path.ts";
import type { VaultImport } from "./import/vault.ts";
import { collect } from "./options.ts";
import { namingOptions } from "./secret-input.ts";

const aboutSettings = `
KEYHOLD_VAULT_ADDRESSES and the variables beside it say where Vault is, and how to sign in there. Give this command a login of its
own, which may read those paths and nothing else; the guide to importing has its policy.
`;

export function addImportCommands(program: Command, cli: Cli): void {
  const imports = program
    .command("import")
    .description("bring keys over from where they are kept today; each venue is asked first");
  namingOptions(registerOptions(imports.command("vault"), true))
    .description("register the keys that another program keeps unencrypted in Vault or OpenBao")
    .option("--source-tenant <name>", "what the tenant is called in the path; your tenant's id when left out")
    .option("--exchange <names>", "only these; all that Vault lists when left out", collect)
    .option("--path <template>", "where they are, with {exchange} and {tenant} in it", defaultPath)
    .option("--dry-run", "read and compare, and register nothing")
    .addHelpText("after", aboutSettings)
    .action(async (options: VaultImport) => {
      const { importFromVault } = await import("./import/vault.ts");
      await importFromVault(cli, options);
    });
}
