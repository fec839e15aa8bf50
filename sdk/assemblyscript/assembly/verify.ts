/** Verdicts on what others prove. */

import { Answer } from "./answer";
import { JSON } from "./json";
import { issue, operation } from "./request";

/** What a verifier makes of a piece of evidence. */
export class Verdict {
  constructor(
    /** Whether the evidence shows what it was asked for. */
    public readonly accepted: bool,
    /** Why not, for machines. */
    public readonly code: string | null,
    /** Why not, for people. */
    public readonly reason: string | null,
    /** All of it; what accepted evidence shows stands in members that depend on its kind. */
    public readonly members: JSON.Obj,
  ) {}

  /** The verdict in the answer to {@link verify}. Traps if there is none. */
  static of(answer: Answer): Verdict {
    const members = answer.object();
    const accepted = members.getBool("accepted");
    assert(accepted !== null, "a verdict is " + answer.json);
    const code = members.getString("code");
    const reason = members.getString("reason");
    return new Verdict(
      accepted!._bool,
      code === null ? null : code._str,
      reason === null ? null : reason._str,
      members,
    );
  }
}

/**
 * Has the evidence with this CID verified, by one of the deployment's verifiers: `Verdict.of(...)`.
 * Evidence that is not accepted is no failure, for whoever brought it may lie. `argsJson`, an
 * object, says what it must show, in members that depend on its kind; empty ones are left out.
 */
export function verify(verifier: string, evidence: string, argsJson: string = ""): Answer {
  const writer = operation("verify").string("verifier", verifier).string("evidence", evidence);
  if (argsJson.length > 0) writer.json("args", argsJson);
  return issue(writer);
}
