import type { Command } from "commander";
import type { Cli } from "./cli.ts";

export function addKeyCommands(program: Command, { output }: Cli): void {
  const keys = program.command("keys").description("key-encryption keys");
  keys
    .command("create")
    .description("make a key file for a service with a database of its own")
    .argument("<path>", "where the file is to be; it is never overwritten")
    .action(async (path: string) => {
      const [{ createKeyFile }, { loadKeyFile }] = await Promise.all([
        import("../keys/key-file.ts"),
        import("../keys/file.ts"),
      ]);
      await createKeyFile(path);
      const { kekId } = await loadKeyFile(path);
      output.text(`${path} holds the new key ${kekId}`, { path, kek_id: kekId });
      output.note("Back this file up, and not together with the database: without it no secret opens again.");
    });
}
