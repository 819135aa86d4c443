import type { Command } from "commander";
import { namingOptions } from "./ask-secret.ts";
import { type Cli, collect } from "./cli.ts";
import { defaultPath, type VaultImport } from "./import/vault.ts";

const aboutSettings = `
KEYHOLD_VAULT_ADDRESSES and its neighbours say where Vault is, and as whom to read there. Give this command a login of its own,
which may read those paths and nothing else; the guide to importing has its policy.
`;

export function addImportCommands(program: Command, cli: Cli): void {
  const imports = program
    .command("import")
    .description("bring keys over from where they are today; each venue is asked first");
  namingOptions(imports.command("vault"))
    .description("register the keys that another program keeps in the clear in Vault or OpenBao")
    .requiredOption("--account <id>", "the account that they will belong to")
    .option("--environment <name>", "live, paper or testnet; the same for all of them", "live")
    .option("--label <label>", "the same for all of them")
    .option(
      "--allow <classes>",
      "what invoke may do: read, trade, transfer, withdraw; read when left out",
      collect,
    )
    .option("--reveal", "the plaintext may be revealed")
    .option("--deferred", "keep them although the venues cannot be asked now")
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
