/** Structured log lines. Replays do not repeat them. `fieldsJson` is an object, or empty for none. */

import { issue, operation } from "./request";

export function debug(message: string, fieldsJson: string = ""): void {
  write("debug", message, fieldsJson);
}

export function info(message: string, fieldsJson: string = ""): void {
  write("info", message, fieldsJson);
}

export function warn(message: string, fieldsJson: string = ""): void {
  write("warn", message, fieldsJson);
}

export function error(message: string, fieldsJson: string = ""): void {
  write("error", message, fieldsJson);
}

function write(level: string, message: string, fieldsJson: string): void {
  const writer = operation("log").string("level", level).string("message", message);
  if (fieldsJson.length > 0) writer.json("fields", fieldsJson);
  issue(writer).expectOk();
}
