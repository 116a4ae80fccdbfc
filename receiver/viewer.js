// Updates of the viewer in (see viewer.py for their bytes), a drawn picture and a line of text out; and whether the
// speaker is to be muted, back.
"use strict";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 5000;

const picture = document.getElementById("picture");
const state = document.getElementById("state");
const numbers = document.getElementById("numbers");
const mute = document.getElementById("mute");
const context = picture.getContext("2d");
const decoder = new TextDecoder();
let retryMs = FIRST_RETRY_MS;
let viewer = null;  // the open socket

function showState(name, text) {
  document.body.dataset.state = name;
  // Only a change is written: a screen reader says every write.
  if (state.textContent !== text) state.textContent = text;
  document.title = `${text} · headgan`;
}

function showNumbers(texts) {
  while (numbers.children.length < texts.length) numbers.append(document.createElement("li"));
  while (numbers.children.length > texts.length) numbers.lastChild.remove();
  texts.forEach((text, index) => { numbers.children[index].textContent = text; });
}

// sound: "on", "muted", or null where there is no speaker. Only the receiver knows, so only it is shown.
function showSound(sound) {
  mute.hidden = sound === null;
  mute.setAttribute("aria-pressed", String(sound === "muted"));
}

function switchSound() {
  if (mute.hidden || viewer === null) return;
  viewer.send(mute.getAttribute("aria-pressed") === "true" ? "unmute" : "mute");
}

async function draw(jpeg) {
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  if (picture.width !== bitmap.width || picture.height !== bitmap.height) {
    picture.width = bitmap.width;
    picture.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  document.body.dataset.hasPicture = "";
}

async function show(update) {
  const jsonEnd = 2 + new DataView(update).getUint16(0);
  const stats = JSON.parse(decoder.decode(new Uint8Array(update, 2, jsonEnd - 2)));
  showState(stats.state, stats.text);
  showNumbers(stats.numbers);
  showSound(stats.sound);
  if (update.byteLength > jsonEnd) await draw(new Uint8Array(update, jsonEnd));
}

function connect() {
  const socket = new WebSocket(`ws://${location.host}/watch`);
  socket.binaryType = "arraybuffer";
  let turn = Promise.resolve();  // pictures are decoded in the background but shown in their order
  socket.onmessage = (event) => {
    retryMs = FIRST_RETRY_MS;
    turn = turn.then(() => show(event.data)).catch(console.error).then(() => {
      if (socket.readyState === WebSocket.OPEN) socket.send("shown");
    });
  };
  socket.onopen = () => { viewer = socket; };
  socket.onclose = () => turn.then(() => {
    viewer = null;
    showSound(null);
    if (document.body.dataset.state !== "ended") {
      showState("connecting", "The viewer does not answer: trying again");
      showNumbers([]);
    }
    setTimeout(connect, retryMs);
    retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
  });
}

mute.addEventListener("click", switchSound);
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "m" || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  switchSound();
});
connect();
