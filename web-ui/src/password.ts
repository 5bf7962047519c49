/** The rule for passwords, the same as in both programs. */

export const MIN_PASSWORD_LENGTH = 10;

/** What is still wrong with a new password and its repetition, or null. */
export function passwordProblem(password: string, again: string): string | null {
  const missing = MIN_PASSWORD_LENGTH - [...password].length;
  if (missing > 0) {
    return `At least ${MIN_PASSWORD_LENGTH} characters: ${missing} more.`;
  }
  return password === again ? null : "The two are not the same.";
}
