// An activity in the classic form: no SDK, no imports beyond `env.abort`.

export function execute(inputJson: string): string {
  return inputJson;
}
