/** The build of hls.js without subtitles, encryption and alternate sound; it has no type declarations of its own. */
declare module "hls.js/light" {
  export * from "hls.js";
  export { default } from "hls.js";
}
