/* Made by kernels/tables/generate.ts from kernels/tables/codebooks.ts; edit those. */
enum { ENTRY_LENGTH = 4, LEVEL_BITS = 3, RADIX = 8, ENTRIES = 256 };
static const float MAGNITUDES[8] = {1.000f, 3.000f, 5.000f, 7.000f, 9.000f, 11.000f, 13.000f, 15.500f};
static const uint16_t CODES[256] = {
    0x0000, 0x0002, 0x0004, 0x0009, 0x000b, 0x000f, 0x0010, 0x0012, 0x0019, 0x0022, 0x003b, 0x003d,
    0x0041, 0x0043, 0x0048, 0x004a, 0x0051, 0x0055, 0x0058, 0x005a, 0x0061, 0x006c, 0x0078, 0x0080,
    0x0082, 0x0084, 0x0089, 0x0090, 0x0092, 0x0099, 0x009b, 0x009f, 0x00a9, 0x00af, 0x00bd, 0x00c1,
    0x00c7, 0x00c8, 0x00ca, 0x00d5, 0x00f8, 0x010b, 0x011f, 0x0124, 0x012f, 0x013b, 0x013d, 0x0141,
    0x0147, 0x015a, 0x016a, 0x019d, 0x01b4, 0x01c8, 0x01cc, 0x01ce, 0x01e3, 0x01f1, 0x0201, 0x0203,
    0x0208, 0x020a, 0x0211, 0x0213, 0x0218, 0x021a, 0x021c, 0x0227, 0x0228, 0x0240, 0x0242, 0x0249,
    0x0250, 0x0252, 0x0281, 0x0283, 0x0288, 0x028a, 0x0291, 0x0298, 0x02ba, 0x02c0, 0x02c2, 0x02d0,
    0x02d9, 0x02e6, 0x02f6, 0x0301, 0x0305, 0x0328, 0x0350, 0x0354, 0x0366, 0x0379, 0x0385, 0x03d2,
    0x03e0, 0x0400, 0x0402, 0x0409, 0x040b, 0x0410, 0x0412, 0x0416, 0x0419, 0x0422, 0x0441, 0x0443,
    0x0445, 0x0448, 0x044a, 0x0451, 0x0458, 0x0473, 0x0477, 0x0478, 0x0480, 0x0482, 0x0489, 0x048f,
    0x0490, 0x0492, 0x049f, 0x04a0, 0x04ad, 0x04c1, 0x04c8, 0x04cc, 0x04f8, 0x04fc, 0x051d, 0x052b,
    0x0543, 0x0557, 0x0561, 0x057c, 0x05c1, 0x05c3, 0x05ce, 0x05e5, 0x0601, 0x0608, 0x060a, 0x0611,
    0x0613, 0x0628, 0x0635, 0x063a, 0x0640, 0x0642, 0x0650, 0x0659, 0x0664, 0x0666, 0x0681, 0x0683,
    0x0688, 0x0695, 0x06aa, 0x06ba, 0x06c9, 0x06db, 0x0718, 0x0727, 0x073a, 0x0740, 0x0746, 0x0752,
    0x076d, 0x078c, 0x079e, 0x07b3, 0x07db, 0x07f0, 0x0804, 0x080f, 0x081d, 0x081f, 0x082b, 0x082f,
    0x087c, 0x0890, 0x089f, 0x08a0, 0x08b0, 0x08b6, 0x08c7, 0x08e5, 0x0904, 0x0929, 0x0934, 0x0955,
    0x0963, 0x0978, 0x09c5, 0x09c8, 0x09ca, 0x09d8, 0x0a0a, 0x0a21, 0x0a38, 0x0a40, 0x0a46, 0x0a56,
    0x0a6d, 0x0a8c, 0x0a9a, 0x0aba, 0x0ac2, 0x0aeb, 0x0b08, 0x0b13, 0x0b17, 0x0b3a, 0x0b42, 0x0b59,
    0x0ba8, 0x0bd4, 0x0be2, 0x0c14, 0x0c24, 0x0c26, 0x0c34, 0x0c51, 0x0c71, 0x0c8f, 0x0cb4, 0x0cd8,
    0x0cde, 0x0d24, 0x0d45, 0x0d6a, 0x0d9b, 0x0dc3, 0x0dd1, 0x0e03, 0x0e05, 0x0e07, 0x0e08, 0x0e1a,
    0x0e2a, 0x0e56, 0x0e60, 0x0e8a, 0x0ea5, 0x0eaa, 0x0ec0, 0x0ecd, 0x0edb, 0x0ef0, 0x0f11, 0x0f21,
    0x0f40, 0x0f42, 0x0f54, 0x0f98,
};

V4_INLINE vi best_entry(vi step[ENTRY_LENGTH][RADIX - 1]) {
  const vi t0 = vi_set(0);
  const vi t1 = step[2][0];
  const vi t2 = step[2][1];
  const vi t3 = step[2][2];
  const vi t4 = step[2][3];
  const vi t5 = step[2][4];
  const vi t6 = step[2][5];
  const vi t7 = step[2][6];
  const vi t8 = step[0][0];
  const vi p11 = step[0][0] + step[2][0];
  const vi t9 = p11;
  const vi p12 = step[0][0] + step[2][1];
  const vi t10 = p12;
  const vi p13 = step[0][0] + step[2][2];
  const vi t11 = p13;
  const vi p14 = step[0][0] + step[2][3];
  const vi t12 = p14;
  const vi p15 = step[0][0] + step[2][4];
  const vi t13 = p15;
  const vi p17 = step[0][0] + step[2][6];
  const vi t14 = p17;
  const vi t15 = step[0][1];
  const vi p21 = step[0][1] + step[2][0];
  const vi t16 = p21;
  const vi p22 = step[0][1] + step[2][1];
  const vi t17 = p22;
  const vi p23 = step[0][1] + step[2][2];
  const vi t18 = p23;
  const vi p24 = step[0][1] + step[2][3];
  const vi t19 = p24;
  const vi p25 = step[0][1] + step[2][4];
  const vi t20 = p25;
  const vi p27 = step[0][1] + step[2][6];
  const vi t21 = p27;
  const vi t22 = step[0][2];
  const vi p31 = step[0][2] + step[2][0];
  const vi t23 = p31;
  const vi p32 = step[0][2] + step[2][1];
  const vi t24 = p32;
  const vi p33 = step[0][2] + step[2][2];
  const vi t25 = p33;
  const vi p34 = step[0][2] + step[2][3];
  const vi t26 = p34;
  const vi p35 = step[0][2] + step[2][4];
  const vi t27 = p35;
  const vi p36 = step[0][2] + step[2][5];
  const vi t28 = p36;
  const vi p37 = step[0][2] + step[2][6];
  const vi t29 = p37;
  const vi t30 = step[0][3];
  const vi p41 = step[0][3] + step[2][0];
  const vi t31 = p41;
  const vi p42 = step[0][3] + step[2][1];
  const vi t32 = p42;
  const vi p43 = step[0][3] + step[2][2];
  const vi t33 = p43;
  const vi p44 = step[0][3] + step[2][3];
  const vi t34 = p44;
  const vi p45 = step[0][3] + step[2][4];
  const vi t35 = p45;
  const vi p46 = step[0][3] + step[2][5];
  const vi t36 = p46;
  const vi p47 = step[0][3] + step[2][6];
  const vi t37 = p47;
  const vi t38 = step[0][4];
  const vi p51 = step[0][4] + step[2][0];
  const vi t39 = p51;
  const vi p52 = step[0][4] + step[2][1];
  const vi t40 = p52;
  const vi p53 = step[0][4] + step[2][2];
  const vi t41 = p53;
  const vi p54 = step[0][4] + step[2][3];
  const vi t42 = p54;
  const vi p55 = step[0][4] + step[2][4];
  const vi t43 = p55;
  const vi p56 = step[0][4] + step[2][5];
  const vi t44 = p56;
  const vi p57 = step[0][4] + step[2][6];
  const vi t45 = p57;
  const vi t46 = step[0][5];
  const vi p61 = step[0][5] + step[2][0];
  const vi t47 = p61;
  const vi p62 = step[0][5] + step[2][1];
  const vi t48 = p62;
  const vi p63 = step[0][5] + step[2][2];
  const vi t49 = p63;
  const vi p65 = step[0][5] + step[2][4];
  const vi t50 = p65;
  const vi p66 = step[0][5] + step[2][5];
  const vi t51 = p66;
  const vi p67 = step[0][5] + step[2][6];
  const vi t52 = p67;
  const vi t53 = step[0][6];
  const vi p71 = step[0][6] + step[2][0];
  const vi t54 = p71;
  const vi p72 = step[0][6] + step[2][1];
  const vi t55 = p72;
  const vi p73 = step[0][6] + step[2][2];
  const vi t56 = p73;
  const vi p74 = step[0][6] + step[2][3];
  const vi t57 = p74;
  const vi p75 = step[0][6] + step[2][4];
  const vi t58 = p75;
  const vi t59 = vi_min(t0, t17);
  const vi t60 = vi_min(t1, t8);
  const vi t61 = vi_min(t2, t15);
  const vi t62 = vi_min(t3, t22);
  const vi t63 = vi_min(t10, t16);
  const vi t64 = vi_min(t60, t63);
  const vi t65 = vi_min(t9, t59);
  const vi t66 = vi_min(t61, t65);
  const vi t67 = vi_min(t7, t53);
  const vi t68 = vi_min(t62, t64);
  const vi t69 = vi_min(t0, t11);
  const vi t70 = vi_min(t1, t40);
  const vi t71 = vi_min(t6, t25);
  const vi t72 = vi_min(t9, t29);
  const vi t73 = vi_min(t9, t30);
  const vi t74 = vi_min(t11, t23);
  const vi t75 = vi_min(t15, t17);
  const vi t76 = vi_min(t18, t68);
  const vi t77 = vi_min(t20, t55);
  const vi t78 = vi_min(t24, t44);
  const vi t79 = vi_min(t26, t37);
  const vi t80 = vi_min(t30, t34);
  const vi t81 = vi_min(t31, t57);
  const vi t82 = vi_min(t38, t62);
  const vi t83 = vi_min(t39, t66);
  const vi t84 = vi_min(t58, t66);
  const vi t85 = vi_min(t61, t69);
  vi best = vi_min(vi_min(t13, vi_min(t30, t32)), vi_min(t56, vi_min(t74, t84)));
  best = vi_min(best, vi_min(vi_min(t52, t67), vi_min(t76, t79)) + step[1][0]);
  best = vi_min(best, vi_min(t41, t83) + step[1][1]);
  best = vi_min(best, vi_min(vi_min(t57, t64), vi_min(t77, t78)) + step[1][2]);
  best = vi_min(best, vi_min(t15, vi_min(t34, t72)) + step[1][3]);
  best = vi_min(best, vi_min(vi_min(t26, t42), vi_min(t70, t82)) + step[1][6]);
  best = vi_min(best, vi_min(t10, vi_min(t77, t81)) + step[1][4]);
  best = vi_min(best, vi_min(t14, t36) + step[1][5]);
  best = vi_min(best, vi_min(vi_min(t12, t42), vi_min(t76, t78)) + step[3][0]);
  const vi r11 = step[1][0] + step[3][0];
  best = vi_min(best, t66 + r11);
  const vi r21 = step[1][1] + step[3][0];
  best = vi_min(best, vi_min(vi_min(t5, t21), vi_min(t35, t68)) + r21);
  const vi r31 = step[1][2] + step[3][0];
  best = vi_min(best, vi_min(t30, t85) + r31);
  const vi r41 = step[1][3] + step[3][0];
  best = vi_min(best, vi_min(t49, vi_min(t50, t67)) + r41);
  const vi r51 = step[1][4] + step[3][0];
  best = vi_min(best, vi_min(t0, t4) + r51);
  const vi r71 = step[1][6] + step[3][0];
  const vi r35 = step[1][2] + step[3][4];
  best = vi_min(best, vi_min(t13, t17) + vi_min(r71, r35));
  const vi r61 = step[1][5] + step[3][0];
  best = vi_min(best, t49 + r61);
  best = vi_min(best, vi_min(vi_min(t14, t27), vi_min(t29, vi_min(t74, t83))) + step[3][1]);
  const vi r12 = step[1][0] + step[3][1];
  best = vi_min(best, vi_min(vi_min(t33, t52), vi_min(t55, t68)) + r12);
  const vi r22 = step[1][1] + step[3][1];
  best = vi_min(best, vi_min(t46, t84) + r22);
  const vi r32 = step[1][2] + step[3][1];
  best = vi_min(best, vi_min(t42, vi_min(t55, t60)) + r32);
  const vi r42 = step[1][3] + step[3][1];
  best = vi_min(best, vi_min(t13, vi_min(t45, t61)) + r42);
  const vi r62 = step[1][5] + step[3][1];
  best = vi_min(best, vi_min(t23, t54) + r62);
  const vi r72 = step[1][6] + step[3][1];
  best = vi_min(best, vi_min(vi_min(t1, t3), vi_min(t33, t35)) + r72);
  const vi r52 = step[1][4] + step[3][1];
  best = vi_min(best, vi_min(t26, t40) + r52);
  best = vi_min(best, vi_min(vi_min(t5, t24), vi_min(t50, t64)) + step[3][2]);
  const vi r13 = step[1][0] + step[3][2];
  best = vi_min(best, vi_min(t36, t85) + r13);
  const vi r23 = step[1][1] + step[3][2];
  best = vi_min(best, vi_min(vi_min(t20, t22), vi_min(t40, t60)) + r23);
  const vi r53 = step[1][4] + step[3][2];
  best = vi_min(best, vi_min(t43, t59) + r53);
  const vi r63 = step[1][5] + step[3][2];
  best = vi_min(best, vi_min(t7, vi_min(t28, t38)) + r63);
  const vi r73 = step[1][6] + step[3][2];
  best = vi_min(best, vi_min(t19, t75) + r73);
  const vi r33 = step[1][2] + step[3][2];
  best = vi_min(best, vi_min(vi_min(t4, t25), vi_min(t51, t72)) + r33);
  const vi r43 = step[1][3] + step[3][2];
  best = vi_min(best, vi_min(t47, t81) + r43);
  best = vi_min(best, vi_min(t45, vi_min(t56, t80)) + step[3][3]);
  const vi r14 = step[1][0] + step[3][3];
  best = vi_min(best, vi_min(t21, t67) + r14);
  const vi r34 = step[1][2] + step[3][3];
  best = vi_min(best, vi_min(t38, vi_min(t55, t67)) + r34);
  const vi r54 = step[1][4] + step[3][3];
  best = vi_min(best, vi_min(t12, vi_min(t22, t53)) + r54);
  const vi r74 = step[1][6] + step[3][3];
  best = vi_min(best, vi_min(t5, t31) + r74);
  const vi r24 = step[1][1] + step[3][3];
  best = vi_min(best, vi_min(t2, t43) + r24);
  const vi r44 = step[1][3] + step[3][3];
  best = vi_min(best, vi_min(t2, vi_min(t27, t41)) + r44);
  const vi r64 = step[1][5] + step[3][3];
  best = vi_min(best, vi_min(t2, vi_min(t34, t48)) + r64);
  const vi r15 = step[1][0] + step[3][4];
  best = vi_min(best, vi_min(t4, vi_min(t15, t32)) + r15);
  const vi r45 = step[1][3] + step[3][4];
  best = vi_min(best, vi_min(t8, t21) + r45);
  const vi r75 = step[1][6] + step[3][4];
  best = vi_min(best, vi_min(t19, t59) + r75);
  best = vi_min(best, vi_min(vi_min(t1, t18), vi_min(t20, t47)) + step[3][4]);
  const vi r25 = step[1][1] + step[3][4];
  best = vi_min(best, vi_min(t47, vi_min(t57, t79)) + r25);
  const vi r55 = step[1][4] + step[3][4];
  best = vi_min(best, vi_min(t39, t71) + r55);
  const vi r26 = step[1][1] + step[3][5];
  best = vi_min(best, vi_min(t14, t73) + r26);
  const vi r46 = step[1][3] + step[3][5];
  best = vi_min(best, vi_min(t46, t80) + r46);
  const vi r66 = step[1][5] + step[3][5];
  best = vi_min(best, vi_min(t32, t73) + r66);
  const vi r16 = step[1][0] + step[3][5];
  best = vi_min(best, t55 + r16);
  const vi r36 = step[1][2] + step[3][5];
  best = vi_min(best, vi_min(t3, vi_min(t28, t49)) + r36);
  best = vi_min(best, vi_min(t29, t43) + step[3][5]);
  const vi r56 = step[1][4] + step[3][5];
  best = vi_min(best, t20 + r56);
  best = vi_min(best, vi_min(vi_min(t5, t20), vi_min(t53, t82)) + step[3][6]);
  const vi r17 = step[1][0] + step[3][6];
  best = vi_min(best, vi_min(t41, t59) + r17);
  const vi r37 = step[1][2] + step[3][6];
  best = vi_min(best, vi_min(t15, t71) + r37);
  const vi r57 = step[1][4] + step[3][6];
  best = vi_min(best, t75 + r57);
  const vi r27 = step[1][1] + step[3][6];
  best = vi_min(best, vi_min(t12, vi_min(t35, t47)) + r27);
  const vi r47 = step[1][3] + step[3][6];
  best = vi_min(best, vi_min(t12, t70) + r47);
  const vi r67 = step[1][5] + step[3][6];
  best = vi_min(best, t3 + r67);
  return best;
}
