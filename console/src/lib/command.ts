// The command that does what a page does: the program's own where it has one, else the call itself.

/** A call with the operator's certificate, as typed in the data folder of the management system. */
export function callCommand(path: string): string {
  return `curl --cert operator.pem --cacert ca.pem https://${window.location.host}${path}`;
}
